//! `atrest key retire`: a key that nothing needs is destroyed.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_core::KeyId;
use atrest_engine::Operation;
use atrest_engine::backup::{BackupError, BackupNeeds};
use atrest_keys::keyring::{KeyPurpose, KeyState};
use jiff::Timestamp;

use super::list;
use crate::Outcome;
use crate::args::{Global, RetireArgs};
use crate::files::Locations;
use crate::output::{line, warn};
use crate::session::{Connected, Session};
use atrest_engine::backup::name as backup_name;

/// Runs the verb.
pub(super) async fn run(args: &RetireArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let id: KeyId = args.id.parse()?;
    if !global.only.is_empty() {
        bail!("a key is destroyed for all columns and files; leave --only out");
    }
    let session = Session::load(global)?;
    let entry = session.opened()?.entry(id);
    let entry = entry.ok_or(atrest_keys::keyring::KeyringError::NoSuchKey { id })?;
    let (state, purpose, changed) = (entry.state, entry.purpose, entry.changed);
    // Refuses an active one before anything is counted.
    let _refused_here = session.opened()?.destroy(id, Timestamp::now())?;
    let mut needed = match (state, purpose) {
        // Copies of before may still be there: they go.
        (KeyState::Destroyed, _) => Vec::new(),
        (_, KeyPurpose::Data) => needed_by(&session, id, args, global).await?,
        (_, KeyPurpose::Subjects) => needed_by_subjects(&session, id, global).await?,
        (_, KeyPurpose::Index) => {
            vec!["every subject's keys are found by it, and proven".to_owned()]
        }
    };
    needed.dedup();
    if !needed.is_empty() && !args.force {
        bail!(
            "key {id} is needed, and nothing was changed: {}. atrest rotate brings values and files over; remove backups, or keep the key while they matter",
            needed.join("; ")
        );
    }
    if !needed.is_empty() {
        for what in &needed {
            warn(&format!("will be lost: {what}"));
        }
        let question = format!("Destroy key {id}, and lose this for ever?");
        if global.json && !args.yes {
            bail!("--force with --json asks no question; add --yes");
        }
        crate::verbs::confirm(&question, args.yes, global)?;
    }
    if needed.is_empty() && state != KeyState::Destroyed {
        // What a process with an older keyring in memory writes just now is not counted.
        let question = format!(
            "Nothing that was counted needs key {id}. Has every process that writes loaded the keyring since {changed}, when the key was replaced? Then destroy it for ever?"
        );
        crate::verbs::confirm(&question, args.yes, global)?;
    }
    if !session.policy.columns.is_empty() && state != KeyState::Destroyed {
        // Records of the journal that the key authenticates are written anew: without
        // that, no run could begin any more.
        let connected = Connected::open(global).await?;
        connected.engine()?.adopt_journal().await?;
        connected.close().await;
    }
    // Others may have changed the keyring meanwhile: the change is of what is there now.
    let session = Session::load(global)?;
    let change = session.opened()?.destroy(id, Timestamp::now())?;
    let after = session.policy_keys().put(change).await?;
    if global.json {
        super::envelope("key retire", true, begin.elapsed().as_secs_f64())
            .with("keyring", after.origin())?
            .with("generation", after.generation())?
            .with("key", id.to_string())?
            .with("lost", needed)?
            .print()?;
        return Ok(Outcome::Clean);
    }
    line(&format!(
        "{}: key {id} is destroyed, and copies of the keyring beside it that held it are removed",
        after.origin()
    ));
    line("Copies that you made yourself still hold it.");
    Ok(Outcome::Clean)
}

/// Which records of subjects need a key, in words.
async fn needed_by_subjects(
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
    let mut needed: Vec<String> = list::needed_by_subjects(&connected, id)
        .await?
        .into_iter()
        .collect();
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

/// What needs a key, in words; nothing: nothing does.
async fn needed_by(
    session: &Session,
    id: KeyId,
    args: &RetireArgs,
    global: &Global,
) -> anyhow::Result<Vec<String>> {
    let policy = &session.policy;
    let mut needed = Vec::new();
    let mut backups = backups_in(policy.directory());
    if !(policy.columns.is_empty() && policy.files.is_empty()) {
        let connected = Connected::open(global).await?;
        let locations = Locations::open(&connected, None, global).await?;
        let usage = list::count(&connected, &locations, global).await?;
        drop(locations);
        needed.extend(list::needed_by_subjects(&connected, id).await?);
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
                let last = record.last_run.as_ref().map(|last| last.operation);
                let clear = matches!(last, Some(Operation::Decrypt | Operation::Exit));
                if !clear && !policy.columns.iter().any(|it| it.id() == column) {
                    needed.push(format!(
                        "perhaps {column}, which was encrypted, is not in the policy any more, and was not counted: put it back, or decrypt it"
                    ));
                }
                backups.extend(
                    record
                        .last_run
                        .iter()
                        .flat_map(|l| l.backups.iter().map(|b| b.path.clone())),
                );
            }
        }
        connected.close().await;
    } else {
        bail!(
            "{} names no columns and no files, so nothing proves that no value needs the key; add them, or use --force",
            policy.origin
        );
    }
    for path in &args.backup {
        match path.is_dir() {
            true => backups.extend(backups_in(path)),
            false => backups.push(path.clone()),
        }
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let mut backups: Vec<PathBuf> = backups.iter().map(absolute).collect();
    backups.sort();
    backups.dedup();
    for path in backups {
        if !path.exists() {
            warn(&format!(
                "the backup {} is not there any more, and was not looked at",
                path.display()
            ));
            continue;
        }
        let needs = match BackupNeeds::of(&path, session.keyring()) {
            Err(BackupError::UnknownKey { key, .. }) => {
                needed.push(format!(
                    "perhaps the backup {}: it was written under key {key}, which is not here, and cannot be looked into",
                    path.display()
                ));
                continue;
            }
            needs => needs.with_context(|| {
                format!("cannot tell which keys the backup {} needs", path.display())
            })?,
        };
        if needs.keys.contains(&id) {
            needed.push(format!("the backup {}", path.display()));
        } else if needs.unknown > 0 {
            needed.push(format!(
                "perhaps the backup {}: it has {} tokens that open under no key",
                path.display(),
                needs.unknown
            ));
        }
    }
    Ok(needed)
}

fn backups_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let is_backup = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(backup_name::is_one)
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(is_backup).collect()
}
