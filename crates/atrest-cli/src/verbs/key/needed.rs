//! What needs a key: values, files, records of subjects, runs, backups. Nothing proves
//! that a key can go but that all of them were looked at.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::bail;
use atrest_core::{KeyId, Keyring};
use atrest_engine::Operation;
use atrest_engine::backup::{BackupError, BackupNeeds};
use atrest_media::folder::{Folder, FolderError, Held};

use super::list;
use crate::args::{BackupArgs, Global};
use crate::backups::Known;
use crate::files::Locations;
use crate::output::warn;
use crate::session::{Connected, Session};

/// The folders of the policy, held so that no run over their files begins; and the runs
/// that go on just now, in words. Of buckets nothing tells.
pub(super) fn by_runs_over_files(session: &Session) -> anyhow::Result<(Vec<Held>, Vec<String>)> {
    let (mut held, mut going) = (Vec::new(), Vec::new());
    let directory = session.policy.directory();
    let mut seen = BTreeSet::new();
    for files in session.policy.files.iter().filter(|f| f.bucket().is_none()) {
        let path = files.path(directory);
        // Two entries may be of one folder.
        if !seen.insert(std::fs::canonicalize(&path).unwrap_or(path)) {
            continue;
        }
        match Folder::of(files, directory)?.hold() {
            Ok(folder) => held.push(folder),
            Err(FolderError::Busy { .. }) => going.push(format!(
                "the run over {}, which is going on",
                files.location
            )),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((held, going))
}

/// Which records of subjects need a key, in words.
pub(super) async fn by_subjects(
    session: &Session,
    id: KeyId,
    global: &Global,
) -> anyhow::Result<Vec<String>> {
    if !session.policy.has_subjects() {
        bail!(
            "{} names no subject, so nothing proves that no subject's key needs key {id}; name them, or use --force",
            session.policy.origin
        );
    }
    let connected = Connected::open(global).await?;
    let mut needed = Vec::from_iter(list::needed_by_subjects(&connected, id).await?);
    if !session.policy.columns.is_empty() {
        // It makes keys of subjects, perhaps with the keyring that it began with.
        for run in connected.engine()?.open_runs().await? {
            needed.push(format!(
                "the run over {}, which is going on or was interrupted",
                run.column
            ));
        }
    }
    connected.close().await;
    Ok(needed)
}

/// What of values, files and backups needs a key, in words; nothing: nothing does.
/// `backups` are looked at beside those that are known.
pub(super) async fn by_values(
    session: &Session,
    id: KeyId,
    backups: &BackupArgs,
    global: &Global,
) -> anyhow::Result<Vec<String>> {
    let policy = &session.policy;
    if policy.columns.is_empty() && policy.files.is_empty() {
        bail!(
            "{} names no columns and no files, so nothing proves that no value needs the key; add them, or use --force",
            policy.origin
        );
    }
    let connected = Connected::open(global).await?;
    let locations = Locations::open(&connected, None, global).await?;
    let usage = list::count(&connected, &locations, global).await?;
    drop(locations);
    let mut needed = Vec::from_iter(list::needed_by_subjects(&connected, id).await?);
    let name = id.to_string();
    for key in usage.iter().filter(|key| key.key == name) {
        if key.can_retire != Some(true) {
            needed.push(key.reason.clone());
        }
    }
    if !connected.columns(global)?.is_empty() {
        let journal = connected.engine()?.journal().await?;
        for (column, record) in journal.columns() {
            if let Some(run) = journal.run(column)
                && run.key == name
            {
                needed.push(format!("the run over {column} that was interrupted"));
            }
            let last = record.last_run.as_ref();
            let operation = last.map(|last| last.operation);
            let clear = matches!(operation, Some(Operation::Decrypt | Operation::Exit));
            if !clear && !policy.columns.iter().any(|it| it.id() == column) {
                needed.push(format!(
                    "perhaps {column}, which was encrypted, is not in the policy any more, and was not counted: put it back, or decrypt it"
                ));
            }
        }
    }
    let known = Known::find(&connected, backups, global).await?;
    for path in known.missing.values() {
        match backups.backups_deleted {
            true => warn(&format!("the backup {} is deleted", path.display())),
            false => needed.push(format!(
                "perhaps the backup {}, which is not there any more: name where it is with --backup, or say with --backups-deleted that it is deleted",
                path.display()
            )),
        }
    }
    needed.extend(by_backups(&connected, session.keyring(), id, &known.there).await?);
    connected.close().await;
    Ok(needed)
}

/// Which backups need a key, in words. Tokens under keys that subjects hold need no key
/// of the keyring: those are in the database, or were destroyed.
async fn by_backups(
    connected: &Connected,
    keyring: &Keyring,
    id: KeyId,
    known: &BTreeSet<PathBuf>,
) -> anyhow::Result<Vec<String>> {
    let (mut needed, mut read) = (Vec::new(), Vec::new());
    for path in known {
        match BackupNeeds::of(path, keyring) {
            Ok(needs) => read.push((path, needs)),
            Err(BackupError::UnknownKey { key, .. }) => needed.push(format!(
                "perhaps the backup {}: it was written under key {key}, which is not here, and cannot be looked into",
                path.display()
            )),
            Err(error) => needed.push(format!(
                "perhaps the backup {}, which cannot be looked into: {error}",
                path.display()
            )),
        }
    }
    let elsewhere = read.iter().flat_map(|(_, needs)| needs.elsewhere.keys());
    let of_subjects = match &connected.subjects {
        Some(subjects) => subjects.standing(&elsewhere.copied().collect()).await?,
        None => Default::default(),
    };
    for (path, needs) in read {
        let of_nobody = needs.elsewhere.iter();
        let of_nobody = of_nobody.filter(|(key, _)| !of_subjects.contains_key(key));
        let unknown = needs.nameless + of_nobody.map(|(_, tokens)| tokens).sum::<u64>();
        if needs.keys.contains(&id) {
            needed.push(format!("the backup {}", path.display()));
        } else if unknown > 0 {
            needed.push(format!(
                "perhaps the backup {}: it has {unknown} tokens that open under no key",
                path.display()
            ));
        }
    }
    Ok(needed)
}
