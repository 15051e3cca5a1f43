//! `atrest key rotate`: a new active key.

use std::time::Instant;

use atrest_core::KeyId;
use atrest_keys::keyring::KeyPurpose;
use jiff::Timestamp;

use crate::Outcome;
use crate::args::{Global, KeyRotateArgs, RotatedPurpose};
use crate::output::line;
use crate::session::Session;

/// Runs the verb.
pub(super) async fn run(args: &KeyRotateArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    let purpose = match args.purpose {
        RotatedPurpose::Data => KeyPurpose::Data,
        RotatedPurpose::Subjects => KeyPurpose::Subjects,
    };
    let rotated = rotate(&session, purpose).await?;
    if global.json {
        super::envelope("key rotate", true, begin.elapsed().as_secs_f64())
            .with("keyring", &rotated.keyring)?
            .with("generation", rotated.generation)?
            .with("key", rotated.key.to_string())?
            .with("previous_key", rotated.before.map(|id| id.to_string()))?
            .print()?;
        return Ok(Outcome::Clean);
    }
    say(&rotated);
    line("Next: let the application load the keyring anew, then atrest rotate");
    Ok(Outcome::Clean)
}

/// What became active, and in the place of what.
pub(crate) struct Rotated {
    pub(crate) keyring: String,
    pub(crate) generation: u64,
    pub(crate) key: KeyId,
    pub(crate) before: Option<KeyId>,
}

/// Makes a new active key, durable and read back.
pub(crate) async fn rotate(session: &Session, purpose: KeyPurpose) -> anyhow::Result<Rotated> {
    let opened = session.opened()?;
    let before = opened.active(purpose).map(|key| key.id);
    let keys = session.policy_keys();
    let taken = keys.subject_key_ids(opened).await?;
    let change = opened.rotate_beside(purpose, Timestamp::now(), &taken)?;
    let key = change.key().unwrap_or(opened.id());
    let opened = keys.put(change).await?;
    Ok(Rotated {
        keyring: opened.origin().to_owned(),
        generation: opened.generation(),
        key,
        before,
    })
}

pub(crate) fn say(rotated: &Rotated) {
    let Rotated {
        keyring,
        key,
        before,
        ..
    } = rotated;
    line(&match before {
        Some(before) => format!("{keyring}: key {key} is active; key {before} only decrypts"),
        None => format!("{keyring}: key {key} is active"),
    });
}
