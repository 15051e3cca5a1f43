//! `atrest forget`: a person's keys are destroyed, and a receipt says what that came to.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_engine::policy::ColumnPolicy;
use atrest_engine::subjects::receipt::{ErasedFiles, Receipt, SignedReceipt, Signer};
use atrest_engine::subjects::{SubjectError, SubjectState, Subjects};
use atrest_keys::keyring::OpenKeyring;
use atrest_media::Keys;
use atrest_media::folder::{Operation, Options};
use jiff::{SignedDuration, Timestamp};
use tokio::task::block_in_place;

use crate::Outcome;
use crate::args::{ForgetArgs, Global};
use crate::files::Location;
use crate::output::{Envelope, line, warn};
use crate::session::{Connected, Session};

/// Runs the verb.
pub(crate) async fn run(args: &ForgetArgs, global: &Global) -> anyhow::Result<Outcome> {
    if !global.only.is_empty() {
        bail!(
            "a subject is forgotten in all columns and files, since its keys are; leave --only out"
        );
    }
    let begin = Instant::now();
    let connected = Connected::open(global).await?;
    let done = forget(args, &connected, global).await;
    connected.close().await;
    let (states, receipts) = done?;
    let complete = receipts.iter().all(|(_, r)| r.receipt.is_complete());
    if global.json {
        let receipts: Vec<_> = receipts.iter().map(|(file, _)| file).collect();
        let columns: Vec<()> = Vec::new();
        Envelope::new("forget", complete, columns, begin.elapsed().as_secs_f64())
            .with("subjects", states)?
            .with("receipts", receipts)?
            .print()?;
    } else {
        states.iter().for_each(show);
        receipts.iter().for_each(|(file, receipt)| {
            super::receipt::show(&receipt.receipt);
            line(&format!("Receipt: {}", file.display()));
        });
    }
    Ok(match complete {
        true => Outcome::Clean,
        false => Outcome::Left,
    })
}

type Done = (Vec<SubjectState>, Vec<(PathBuf, SignedReceipt)>);

async fn forget(args: &ForgetArgs, connected: &Connected, global: &Global) -> anyhow::Result<Done> {
    let subjects = subjects(connected)?;
    let now = Timestamp::now();
    let Some(subject) = &args.subject else {
        return due(connected, subjects, args, now).await;
    };
    let tag = subjects.tag(subject);
    if args.undo {
        return Ok((vec![subjects.undo(&tag).await?], Vec::new()));
    }
    if args.release_hold || args.legal_hold.is_some() {
        let reason = args.legal_hold.as_deref();
        return Ok((vec![subjects.hold(&tag, reason, now).await?], Vec::new()));
    }
    let undo = match args.now {
        true => SignedDuration::ZERO,
        false => SignedDuration::try_from(connected.session.policy.subjects.undo)
            .context("`undo` in [subjects] is too long")?,
    };
    let question = match undo.is_zero() {
        true => "Destroy this subject's keys, for ever?",
        false => "Ask for this subject's erasure?",
    };
    super::confirm(question, args.yes, global)?;
    let state = match subjects.state(&tag).await? {
        // Its keys are gone already: what is left is the receipt.
        Some(state) if state.alive().is_empty() && state.forget_since.is_none() => state,
        _ => subjects.forget(subject, now + undo, now).await?,
    };
    if !state.alive().is_empty() && !state.is_due(now) {
        return Ok((vec![state], Vec::new()));
    }
    let (state, receipt) = finish(connected, subjects, subject, state, args, now).await?;
    Ok((vec![state], vec![receipt]))
}

/// Everybody whose time to undo is over, and everybody whose keys came back.
async fn due(
    connected: &Connected,
    subjects: &Subjects,
    args: &ForgetArgs,
    now: Timestamp,
) -> anyhow::Result<Done> {
    let (mut states, mut receipts, mut failed) = (Vec::new(), Vec::new(), None);
    for state in subjects.unfinished().await? {
        let tag = state.tag.clone();
        if state.hold.is_some() {
            warn(&format!("subject {tag} is held, and was left"));
        } else if state.forget_since.is_none() {
            // A tombstone says that these keys were destroyed: an old copy was put back.
            states.push(subjects.destroy(&tag, now).await?);
            warn(&format!(
                "the keys of subject {tag}, which was forgotten, had come back from an old copy; they are destroyed again"
            ));
        } else if state.is_due(now) {
            // What is wrong with one does not keep the others waiting.
            match one_due(connected, subjects, state, args, now).await {
                Ok((state, receipt)) => {
                    states.push(state);
                    receipts.push(receipt);
                }
                Err(error) => {
                    warn(&format!("subject {tag} was not forgotten: {error:#}"));
                    failed = failed.or(Some(error));
                }
            }
        }
    }
    match failed {
        None => Ok((states, receipts)),
        Some(error) => Err(error.context(format!(
            "{} were forgotten, and not all; then",
            receipts.len()
        ))),
    }
}

async fn one_due(
    connected: &Connected,
    subjects: &Subjects,
    state: SubjectState,
    args: &ForgetArgs,
    now: Timestamp,
) -> anyhow::Result<(SubjectState, (PathBuf, SignedReceipt))> {
    let subject = subjects.named(&state.tag).await?;
    finish(connected, subjects, &subject, state, args, now).await
}

/// Does what was asked for: the tombstone first, then what could confirm guesses, then
/// the keys; in the end the receipt. Each step may be done twice, and until the receipt
/// is there it stays open.
async fn finish(
    connected: &Connected,
    subjects: &Subjects,
    subject: &str,
    state: SubjectState,
    args: &ForgetArgs,
    now: Timestamp,
) -> anyhow::Result<(SubjectState, (PathBuf, SignedReceipt))> {
    let policy = &connected.session.policy;
    let requested = state.forget_since;
    let asked = state.forget_since.is_some();
    if asked {
        subjects.begin(&state.tag).await?;
    }
    bury(&connected.session, &state, now).await?;
    let with_subject: Vec<&ColumnPolicy> = policy
        .columns
        .iter()
        .filter(|column| column.subject.is_some())
        .collect();
    let mut emptied = Vec::new();
    for column in &with_subject {
        for also in &column.forget_empties {
            connected.engine()?.empty(column, also, subject).await?;
            emptied.push((column.id(), also.clone()));
        }
    }
    let state = match state.alive().is_empty() {
        true => state,
        false => subjects.destroy(&state.tag, now).await?,
    };
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
    let files = erased_files(connected, subject, &state).await?;
    let receipt = Receipt {
        kind: Receipt::KIND.to_owned(),
        tag: state.tag.clone(),
        subject: args.name_subject.then(|| subject.to_owned()),
        requested: requested.unwrap_or(destroyed),
        destroyed,
        keys: state.keys.iter().map(|key| key.id.clone()).collect(),
        columns,
        files,
        not_covered: not_covered.collect(),
        final_from,
    };
    let signed = signer(&connected.session).await?.sign(receipt)?;
    let file = write(&connected.session, &signed)?;
    let state = match asked {
        true => subjects.finished(&state.tag).await?,
        false => state,
    };
    Ok((state, (file, signed)))
}

/// What the locations whose files are of subjects hold of this one.
async fn erased_files(
    connected: &Connected,
    subject: &str,
    state: &SubjectState,
) -> anyhow::Result<Vec<ErasedFiles>> {
    let destroyed = state.keys.iter().filter(|key| key.destroyed.is_some());
    let destroyed: Vec<_> = destroyed.filter_map(|key| key.id.parse().ok()).collect();
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
        erased.push(found.erased(files, &destroyed));
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
pub(super) async fn signer(session: &Session) -> anyhow::Result<Signer> {
    let opened = current(session).await?;
    let index = opened.index().ok_or(SubjectError::NoKeyring)?;
    Ok(Signer::new(index)?)
}

/// Tags of subjects that were forgotten and whose keys are in the database again: an old
/// copy of it was put back.
pub(super) async fn back(connected: &Connected) -> anyhow::Result<Vec<String>> {
    let Some(subjects) = &connected.subjects else {
        return Ok(Vec::new());
    };
    let unfinished = subjects.unfinished().await?;
    let back = unfinished.into_iter().filter(|s| s.forget_since.is_none());
    Ok(back.map(|state| state.tag).collect())
}

pub(super) fn show_back(back: &[String]) {
    for tag in back {
        line(&format!(
            "subject {tag} was forgotten, and its keys are in the database again: an old copy was put back; the keys are not used"
        ));
    }
}

/// The subjects of the policy, which there must be.
pub(super) fn subjects(connected: &Connected) -> anyhow::Result<&Subjects> {
    connected.subjects.as_deref().context(
        "no column and no files of the policy name a subject; write `subject = \"COLUMN\"` into the [[column]] entries whose rows belong to somebody, or `subject = \"{subject}/**\"` into the [[files]] whose paths say whose they are",
    )
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

fn show(state: &SubjectState) {
    let tag = &state.tag;
    let alive = state.alive().len();
    line(&match (&state.hold, state.undo_until, alive) {
        (Some(reason), ..) => format!("subject {tag} is held: {reason}"),
        (None, Some(until), _) => format!(
            "subject {tag} is to be forgotten: its keys are not used from now on, and are destroyed by atrest forget --due after {until}; until then atrest forget --undo brings them back"
        ),
        (None, None, 0) => format!("subject {tag} is forgotten: its keys are destroyed"),
        (None, None, n) => format!("subject {tag} has {n} keys in use"),
    });
}
