//! `atrest key retire`: a key that nothing needs is destroyed.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::bail;
use atrest_core::KeyId;
use atrest_engine::journal::LostRecords;
use atrest_keys::keyring::{KeyPurpose, KeyState, KeyringError};
use jiff::Timestamp;

use super::needed;
use crate::Outcome;
use crate::args::{Global, RetireArgs};
use crate::backups::Known;
use crate::output::{line, warn};
use crate::session::{Connected, Session};

/// Runs the verb.
pub(super) async fn run(args: &RetireArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let id: KeyId = args.id.parse()?;
    if !global.only.is_empty() {
        bail!("a key is destroyed for all columns and files; leave --only out");
    }
    let session = Session::load(global)?;
    if session.keyring().get(id).is_some() && session.opened().is_err() {
        bail!(
            "key {id} comes from {}, which the policy names: to be rid of it take that out of [keys], when `atrest key list` says that the key can retire",
            session.origin(id)
        );
    }
    let entry = session.opened().ok().and_then(|opened| opened.entry(id));
    // A journal may name a destroyed one still: of a database that was put back, or of
    // another policy's.
    if entry.is_none_or(|entry| entry.state == KeyState::Destroyed) {
        let connected = Connected::look(global).await?;
        let found = match connected.engine() {
            Ok(engine) => engine.journal_to_read().await?.lost(id),
            Err(_) => LostRecords::default(),
        };
        if !found.is_empty() {
            return lost(args, id, (connected, found), begin, global).await;
        }
        connected.close().await;
    }
    let entry = entry.ok_or(KeyringError::NoSuchKey { id })?;
    let (state, purpose, changed) = (entry.state, entry.purpose, entry.changed);
    if purpose == KeyPurpose::Index {
        return Err(KeyringError::NotRotated(purpose).into());
    }
    if state == KeyState::Active {
        return Err(KeyringError::State { id, state }.into());
    }
    // Until the key is destroyed no run begins that changes files: it might seal under it.
    let (_held, mut needed) = match state {
        KeyState::Destroyed => Default::default(),
        _ => needed::by_runs_over_files(&session)?,
    };
    needed.extend(match (state, purpose) {
        // Copies of before may still be there: they go.
        (KeyState::Destroyed, _) => Vec::new(),
        (_, KeyPurpose::Data) => needed::by_values(&session, id, &args.backups, global).await?,
        (_, KeyPurpose::Subjects) => needed::by_subjects(&session, id, global).await?,
        (_, KeyPurpose::Index) => {
            vec!["every subject's keys are found by it, and proven".to_owned()]
        }
    });
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
        crate::verbs::confirm_for_ever(&question, args.yes, global)?;
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
        if args.backups.backups_deleted {
            let known = Known::find(&connected, &args.backups, global).await?;
            known.deleted(&connected).await?;
        }
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
        "{}: key {id} is destroyed{}",
        after.origin(),
        match session.policy.keys.in_database() {
            true => "",
            false => ", and copies of the keyring beside it that held it are removed",
        }
    ));
    line("Copies that you made yourself still hold it.");
    Ok(Outcome::Clean)
}

/// A key that is nowhere: what the journal has under it keeps runs from beginning.
async fn lost(
    args: &RetireArgs,
    id: KeyId,
    (connected, lost): (Connected, LostRecords),
    begin: Instant,
    global: &Global,
) -> anyhow::Result<Outcome> {
    let named = |columns: BTreeSet<String>| Vec::from_iter(columns).join(", ");
    let mut needed = Vec::new();
    if !lost.columns.is_empty() {
        needed.push(format!(
            "what the journal has of {}: which types the columns had, so that --apply-schema does not restore them, and which backups there are",
            named(lost.columns)
        ));
    }
    if lost.identity {
        needed.push("which journal it is: it gets another identity".to_owned());
    }
    if !lost.runs.is_empty() {
        needed.push(format!(
            "how far an interrupted run over {} had come: the next one begins anew",
            named(lost.runs)
        ));
    }
    if !args.force {
        bail!(
            "key {id} is not at hand, and nothing was changed. If it is lost for good, --force removes what is under it: {}. What it encrypted stays as it is and opens under no key",
            needed.join("; ")
        );
    }
    for what in &needed {
        warn(&format!("will be lost: {what}"));
    }
    let question = format!("Is key {id} lost for good? Then remove this for ever?");
    crate::verbs::confirm_for_ever(&question, args.yes, global)?;
    connected.engine()?.remove_lost(id).await?;
    connected.close().await;
    if global.json {
        super::envelope("key retire", true, begin.elapsed().as_secs_f64())
            .with("keyring", None::<String>)?
            .with("generation", None::<u64>)?
            .with("key", id.to_string())?
            .with("lost", needed)?
            .print()?;
        return Ok(Outcome::Clean);
    }
    line(&format!(
        "The journal names key {id} no more. What it encrypted opens under no key: atrest verify counts that"
    ));
    Ok(Outcome::Clean)
}
