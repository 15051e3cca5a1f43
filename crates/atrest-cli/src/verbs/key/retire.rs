//! `atrest key retire`: a key that nothing needs is destroyed.

use std::time::Instant;

use anyhow::bail;
use atrest_core::KeyId;
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
    let entry = session.opened()?.entry(id);
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
        "{}: key {id} is destroyed, and copies of the keyring beside it that held it are removed",
        after.origin()
    ));
    line("Copies that you made yourself still hold it.");
    Ok(Outcome::Clean)
}
