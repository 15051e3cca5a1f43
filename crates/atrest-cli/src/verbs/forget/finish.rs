//! An erasure that is due is done, and its receipt written.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use atrest_core::KeyId;
use atrest_engine::EngineError;
use atrest_engine::backup::BackupError;
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::subjects::receipt::{ErasedBackup, ErasedFiles, Receipt, SignedReceipt, Signer};
use atrest_engine::subjects::{SubjectError, SubjectState};
use atrest_keys::keyring::{KeyState, OpenKeyring};
use atrest_media::Keys;
use atrest_media::folder::{Operation, Options};
use jiff::{SignedDuration, Timestamp};
use tokio::task::block_in_place;

use super::subjects;
use crate::args::{BackupArgs, ForgetArgs, Global};
use crate::backups::Known;
use crate::files::Location;
use crate::session::{Connected, Session};

/// What became of the subject, and its receipt.
pub(super) type Finished = (SubjectState, (PathBuf, SignedReceipt));

/// Does what was asked for: the tombstone first, then the keys, then what could confirm
/// guesses; in the end the receipt. Each step may be done twice, and until the receipt
/// is there it stays open.
pub(super) async fn finish(
    connected: &Connected,
    subject: &str,
    state: SubjectState,
    args: &ForgetArgs,
    known: &Known,
    now: Timestamp,
) -> anyhow::Result<Finished> {
    let subjects = subjects(connected)?;
    let policy = &connected.session.policy;
    let requested = state.forget_since;
    let asked = state.forget_since.is_some();
    in_reach(connected, subject).await?;
    if asked {
        subjects.begin(&state.tag).await?;
    }
    bury(&connected.session, &state, now).await?;
    let state = match state.alive().is_empty() {
        true => state,
        false => subjects.destroy(&state.tag, now).await?,
    };
    let with_subject = with_subject(connected);
    let mut emptied = Vec::new();
    for column in &with_subject {
        for also in &column.forget_empties {
            let done = connected.engine()?.empty(column, also, subject).await;
            done.with_context(|| {
                format!(
                    "the keys of subject {} are destroyed, but {also} of `forget_empties` of {} could not be emptied, so that there is no receipt yet; mend that, then run atrest forget --due",
                    state.tag,
                    column.id()
                )
            })?;
            emptied.push((column.id(), also.clone()));
        }
    }
    let mut columns = Vec::new();
    for column in &with_subject {
        let mut erased = connected.engine()?.belongings(column, subject).await?;
        let of = |(id, also): &(String, String)| (*id == column.id()).then(|| also.clone());
        erased.emptied = emptied.iter().filter_map(of).collect();
        columns.push(erased);
    }
    let destroyed = state.keys.iter().filter_map(|key| key.destroyed).max();
    let destroyed = destroyed.unwrap_or(now);
    let retention = policy.subjects.retention;
    let final_from = match retention.map(SignedDuration::try_from).transpose() {
        Ok(retention) => retention.map(|retention| destroyed + retention),
        Err(_) => bail!("`retention` in [subjects] is too long"),
    };
    let not_covered = policy
        .columns
        .iter()
        .filter(|column| column.subject.is_none())
        .map(ColumnPolicy::id)
        .chain(
            policy
                .files
                .iter()
                .filter(|files| files.subject.is_none())
                .map(|files| files.location.clone()),
        );
    let gone = state.keys.iter().filter(|key| key.destroyed.is_some());
    let gone: Vec<_> = gone.filter_map(|key| key.id.parse().ok()).collect();
    let files = erased_files(connected, subject, &gone).await?;
    let backups = erased_backups(connected, subject, &args.backups, known).await?;
    let receipt = Receipt {
        kind: Receipt::KIND.to_owned(),
        tag: state.tag.clone(),
        subject: args.name_subject.then(|| subject.to_owned()),
        requested: requested.unwrap_or(destroyed),
        destroyed,
        keys: state.keys.iter().map(|key| key.id.clone()).collect(),
        columns,
        files,
        backups,
        not_covered: not_covered.collect(),
        final_from,
    };
    let signed = signer(&connected.session).await?.sign(receipt)?;
    let file = write(&connected.session, &signed)?;
    if args.backups.backups_deleted {
        known.deleted(connected).await?;
    }
    let state = match asked {
        true => subjects.finished(&state.tag).await?,
        false => state,
    };
    Ok((state, (file, signed)))
}

/// The backups that a receipt is to tell of.
///
/// # Errors
/// Where one is not where it was named.
pub(super) async fn backups(
    connected: &Connected,
    args: &ForgetArgs,
    global: &Global,
) -> anyhow::Result<Known> {
    match with_subject(connected).is_empty() {
        true => Ok(Known::default()),
        false => Known::find(connected, &args.backups, global).await,
    }
}

/// The columns whose rows belong to somebody.
fn with_subject(connected: &Connected) -> Vec<&ColumnPolicy> {
    let columns = connected.session.policy.columns.iter();
    columns.filter(|column| column.subject.is_some()).collect()
}

/// Every column whose rows belong to somebody can be worked on: what is wrong with one, or
/// with what is to be emptied beside it, is told before anything is asked for or begun.
pub(super) async fn in_reach(connected: &Connected, subject: &str) -> anyhow::Result<()> {
    for column in with_subject(connected) {
        connected.engine()?.has_rows(column, subject).await?;
    }
    Ok(())
}

/// Whether rows or files of the policy are the subject's.
pub(in crate::verbs) async fn has_belongings(
    connected: &Connected,
    subject: &str,
) -> anyhow::Result<bool> {
    for column in with_subject(connected) {
        if connected.engine()?.has_rows(column, subject).await? {
            return Ok(true);
        }
    }
    let files = erased_files(connected, subject, &[]).await?;
    Ok(files.iter().any(|found| found.files + found.skipped > 0))
}

/// What the backups that are known still hold of the subject.
async fn erased_backups(
    connected: &Connected,
    subject: &str,
    args: &BackupArgs,
    known: &Known,
) -> anyhow::Result<Vec<ErasedBackup>> {
    let columns = &connected.session.policy.columns;
    let entries = connected.session.opened()?.entries().iter();
    let gone = entries.filter(|key| key.state == KeyState::Destroyed);
    let gone = gone.map(|key| key.id).collect();
    let mut erased = Vec::new();
    for path in &known.there {
        let engine = connected.engine()?;
        let found = engine.left_in_backup(path, columns, subject, &gone);
        let found = match found.await {
            Ok(found) => found,
            Err(EngineError::Backup(error)) => ErasedBackup {
                path: path.display().to_string(),
                // Under a key that is destroyed it is closed for good.
                problem: match &error {
                    BackupError::UnknownKey { key, .. } if gone.contains(key) => None,
                    error => Some(error.to_string()),
                },
                ..ErasedBackup::default()
            },
            Err(error) => return Err(error.into()),
        };
        erased.push(found);
    }
    let missing = known.missing.values().map(|path| ErasedBackup {
        path: path.display().to_string(),
        deleted: args.backups_deleted,
        problem: (!args.backups_deleted).then(|| {
            "it is not there any more: name where it is with --backup, or say with --backups-deleted that it is deleted".to_owned()
        }),
        ..ErasedBackup::default()
    });
    erased.extend(missing);
    Ok(erased)
}

/// What the locations whose files are of subjects hold of this one, whose keys `destroyed`
/// are.
async fn erased_files(
    connected: &Connected,
    subject: &str,
    destroyed: &[KeyId],
) -> anyhow::Result<Vec<ErasedFiles>> {
    let (session, options) = (&connected.session, Options::default());
    let mut erased = Vec::new();
    for files in &session.policy.files {
        let Some(pattern) = &files.subject else {
            continue;
        };
        let keys = Keys::of(files, session.keyring(), connected.subjects.as_ref())?;
        let found = match Location::open(files, session).await? {
            Location::Folder(folder) => {
                let theirs = folder.of_subject(pattern, subject);
                block_in_place(|| theirs.run(Operation::Look, keys, &options))?
            }
            Location::Bucket(bucket) => {
                let theirs = bucket.of_subject(pattern, subject);
                theirs.run(Operation::Look, keys, &options).await?
            }
        };
        erased.push(found.erased(files, destroyed));
    }
    Ok(erased)
}

/// Writes the tombstone, if it is not there.
async fn bury(session: &Session, state: &SubjectState, now: Timestamp) -> anyhow::Result<()> {
    let opened = current(session).await?;
    let keys: Vec<_> = state
        .keys
        .iter()
        .filter_map(|k| k.id.parse().ok())
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let there = opened.forgotten().iter().find(|f| f.tag == state.tag);
    if there.is_some_and(|there| keys.iter().all(|key| there.keys.contains(key))) {
        return Ok(());
    }
    let change = opened.forget(&state.tag, &keys, now)?;
    session.policy_keys().put(change).await?;
    Ok(())
}

/// The keyring as it is stored now: the session's may be older than what was written
/// since.
async fn current(session: &Session) -> anyhow::Result<OpenKeyring> {
    let keys = session.policy_keys();
    let (store, text) = keys.document().await?;
    let (_, uri) = keys.store()?;
    let root = keys.source(uri)?;
    let opened = OpenKeyring::open(&text, &store.name(), &*root, uri, keys.environment)?;
    Ok(opened.avoiding(keys.previous_ids()?))
}

/// Who signs receipts: the keyring's index key.
pub(in crate::verbs) async fn signer(session: &Session) -> anyhow::Result<Signer> {
    let opened = current(session).await?;
    let index = opened.index().ok_or(SubjectError::NoKeyring)?;
    Ok(Signer::new(index)?)
}

/// A file of its own for each receipt, durable.
fn write(session: &Session, signed: &SignedReceipt) -> anyhow::Result<PathBuf> {
    let policy = &session.policy;
    let folder = policy.directory().join(&policy.subjects.receipts);
    let (tag, at) = (&signed.receipt.tag, signed.receipt.destroyed);
    let at = at.strftime("%Y%m%d-%H%M%S");
    let write = || -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(&folder)?;
        let text = serde_json::to_string_pretty(signed)?;
        for number in 1.. {
            let name = match number {
                1 => format!("forgotten-{tag}-{at}.json"),
                n => format!("forgotten-{tag}-{at}-{n}.json"),
            };
            let file = folder.join(name);
            let mut options = std::fs::OpenOptions::new();
            match options.write(true).create_new(true).open(&file) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                opened => {
                    let mut opened = opened?;
                    opened.write_all(text.as_bytes())?;
                    opened.write_all(b"\n")?;
                    opened.sync_all()?;
                    std::fs::File::open(&folder)?.sync_all()?;
                    return Ok(file);
                }
            }
        }
        Err(std::io::ErrorKind::AlreadyExists.into())
    };
    write().with_context(|| {
        format!(
            "the keys are destroyed, but the receipt cannot be written into {}; make room there and run the same command again",
            folder.display()
        )
    })
}
