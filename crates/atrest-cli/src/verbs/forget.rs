//! `atrest forget`: a person's keys are destroyed, and a receipt says what that came to.

mod finish;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use atrest_engine::EngineError;
use atrest_engine::journal::JournalError;
use atrest_engine::subjects::receipt::SignedReceipt;
use atrest_engine::subjects::{OpenErasures, SubjectState, Subjects};
use jiff::{SignedDuration, Timestamp};

use crate::Outcome;
use crate::args::{ForgetArgs, Global};
use crate::output::{Envelope, line, warn};
use crate::session::Connected;

use finish::{Finished, finish};
pub(super) use finish::{has_belongings, signer};

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
        return due(connected, subjects, args, global, now).await;
    };
    let tag = subjects.tag(subject);
    if args.undo {
        return Ok((vec![subjects.undo(&tag).await?], Vec::new()));
    }
    if args.release_hold || args.legal_hold.is_some() {
        enroll(connected, subjects, subject).await?;
        let reason = args.legal_hold.as_deref();
        return Ok((vec![subjects.hold(&tag, reason, now).await?], Vec::new()));
    }
    let undo = match args.now {
        true => SignedDuration::ZERO,
        false => SignedDuration::try_from(connected.session.policy.subjects.undo)
            .context("`undo` in [subjects] is too long")?,
    };
    match undo.is_zero() {
        true => {
            let question = "Destroy this subject's keys, for ever?";
            super::confirm_for_ever(question, args.yes, global)?;
        }
        false => super::confirm("Ask for this subject's erasure?", args.yes, global)?,
    }
    with_keys_of_now(connected, global, async |connected| {
        let subjects = self::subjects(connected)?;
        finish::in_reach(connected, subject).await?;
        // What was named is looked for before anything is asked for.
        let known = finish::backups(connected, args, global).await?;
        enroll(connected, subjects, subject).await?;
        let state = match subjects.state(&tag).await? {
            // Its keys are gone already: what is left is the receipt.
            Some(state) if state.is_over() => subjects.not_held(&tag).await?,
            _ => subjects.forget(subject, now + undo, now).await?,
        };
        if state.forget_since.is_some() && !state.is_due(now) {
            return Ok((vec![state], Vec::new()));
        }
        let (state, receipt) = finish(connected, subject, state, args, &known, now).await?;
        Ok((vec![state], vec![receipt]))
    })
    .await
}

/// Does `work`, each step of which may be done twice, and where keys were rotated since
/// this command began, does it again with those of now.
async fn with_keys_of_now<T>(
    connected: &Connected,
    global: &Global,
    work: impl AsyncFn(&Connected) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let done = work(connected).await;
    let of_older_keys = |error: &anyhow::Error| {
        matches!(
            error.downcast_ref::<EngineError>(),
            Some(EngineError::Journal(JournalError::UnknownKey { .. }))
        )
    };
    if !done.as_ref().is_err_and(of_older_keys) {
        return done;
    }
    let connected = Connected::open(global).await?;
    let done = work(&connected).await;
    connected.close().await;
    done
}

/// Somebody who never had a key may have rows and files all the same, in clear or under
/// keys that everybody shares: they are forgotten and held like anybody else.
async fn enroll(connected: &Connected, subjects: &Subjects, subject: &str) -> anyhow::Result<()> {
    let is_known = subjects.state(&subjects.tag(subject)).await?.is_some();
    if !is_known && has_belongings(connected, subject).await? {
        subjects.enroll(subject).await?;
    }
    Ok(())
}

/// Everybody whose time to undo is over, and everybody whose keys came back.
async fn due(
    connected: &Connected,
    subjects: &Subjects,
    args: &ForgetArgs,
    global: &Global,
    now: Timestamp,
) -> anyhow::Result<Done> {
    let (mut states, mut receipts, mut failed) = (Vec::new(), Vec::new(), None);
    for state in subjects.unfinished().await? {
        let tag = state.tag.clone();
        if !state.begun && subjects.has_come_back(&state) {
            states.push(subjects.destroy(&tag, now).await?);
            warn(&format!(
                "the keys of subject {tag}, which was forgotten, had come back from an old copy; they are destroyed again. What columns of `forget_empties` hold may have come back, too: atrest forget SUBJECT empties them again"
            ));
        } else if state.hold.is_some() {
            warn(&format!("subject {tag} is held, and was left"));
        } else if state.begun || state.is_due(now) {
            // What is wrong with one does not keep the others waiting.
            let done = with_keys_of_now(connected, global, async |connected| {
                one_due(connected, &tag, args, global, now).await
            });
            match done.await {
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
    tag: &str,
    args: &ForgetArgs,
    global: &Global,
    now: Timestamp,
) -> anyhow::Result<Finished> {
    let subjects = subjects(connected)?;
    let (state, subject) = (subjects.not_held(tag).await?, subjects.named(tag).await?);
    let known = finish::backups(connected, args, global).await?;
    finish(connected, &subject, state, args, &known, now).await
}

/// Erasures that `forget --due` is to do, or do again.
pub(super) async fn open_erasures(connected: &Connected) -> anyhow::Result<OpenErasures> {
    match &connected.subjects {
        None => Ok(OpenErasures::default()),
        Some(subjects) => Ok(subjects.open_erasures().await?),
    }
}

pub(super) fn show_open(open: &OpenErasures) {
    for tag in &open.begun {
        line(&format!(
            "subject {tag} is being forgotten, and that is not finished: its keys may still be there, though nothing uses them; atrest forget --due finishes it"
        ));
    }
    for tag in &open.due {
        line(&format!(
            "subject {tag} is to be forgotten, and the time to undo that is over: its keys are there, though nothing uses them; atrest forget --due destroys them"
        ));
    }
    for tag in &open.back {
        line(&format!(
            "subject {tag} was forgotten, and its keys are in the database again: an old copy was put back; the keys are not used; atrest forget --due destroys them again"
        ));
    }
}

/// The subjects of the policy, which there must be.
pub(super) fn subjects(connected: &Connected) -> anyhow::Result<&Subjects> {
    connected.subjects.as_deref().context(
        "no column and no files of the policy name a subject; write `subject = \"COLUMN\"` into the [[column]] entries whose rows belong to somebody, or `subject = \"{subject}/**\"` into the [[files]] whose paths say whose they are",
    )
}

fn show(state: &SubjectState) {
    let tag = &state.tag;
    let alive = state.alive().len();
    line(&match (&state.hold, state.undo_until, alive) {
        (Some(reason), ..) => format!("subject {tag} is held: {reason}"),
        (None, Some(_), _) if state.begun => format!(
            "subject {tag} is being forgotten, and that cannot be undone: atrest forget --due finishes it"
        ),
        (None, Some(until), _) if until <= Timestamp::now() => format!(
            "subject {tag} is to be forgotten, and the time to undo that ended {until}: its keys are not used, and the next atrest forget --due destroys them"
        ),
        (None, Some(until), _) => format!(
            "subject {tag} is to be forgotten: its keys are not used from now on, and are destroyed by atrest forget --due after {until}; until then atrest forget SUBJECT --undo brings them back"
        ),
        (None, None, 0) if state.keys.is_empty() => {
            format!("subject {tag} has no key: nothing of it is encrypted under one of its own")
        }
        (None, None, 0) => format!("subject {tag} is forgotten: its keys are destroyed"),
        (None, None, n) => format!("subject {tag} has {n} keys in use"),
    });
}
