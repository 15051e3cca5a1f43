//! `atrest rotate`, and `atrest rotate --due`: the key first, if it is old enough.

use std::time::Instant;

use anyhow::bail;
use atrest_engine::report::ColumnReport;
use atrest_engine::{Operation, RunOptions};
use atrest_keys::keyring::{KeyEntry, KeyPurpose, KeyState, OpenKeyring};
use atrest_media::folder;
use jiff::Timestamp;

use super::key::{life, rotate as key_rotate};
use super::verify;
use crate::Outcome;
use crate::args::{Global, RotateArgs};
use crate::files::Locations;
use crate::output::{Envelope, line};
use crate::session::{Connected, Session};

/// Runs the verb.
pub(crate) async fn run(args: &RotateArgs, global: &Global) -> anyhow::Result<Outcome> {
    let change = &args.change;
    if !args.due {
        return super::change::run(Operation::Rotate, change, None, Vec::new(), global).await;
    }
    let begin = Instant::now();
    let session = Session::load(global)?;
    let keyring = session.opened()?;
    let after = session.policy.keys.rotate_after;
    if after.is_none() {
        bail!(
            "{} does not say how old a key may become; write rotate_after = \"90d\" into [keys]",
            session.policy.origin
        );
    }
    let now = Timestamp::now();
    let due: Vec<_> = life::due(keyring, after, now)
        .map(|key| key.purpose)
        .collect();
    let (mut key, mut subjects_key) = (None, None);
    if !change.dry_run {
        for purpose in &due {
            // The one before it was of another generation.
            let rotated = key_rotate::rotate(&Session::load(global)?, *purpose).await?;
            if !global.json {
                key_rotate::say(&rotated);
            }
            let made = Some(rotated.key.to_string());
            match purpose {
                KeyPurpose::Subjects => subjects_key = made,
                _ => key = made,
            }
        }
    }
    let due = !due.is_empty();
    if !due && !is_begun(keyring, global).await? {
        if global.json {
            let columns: Vec<ColumnReport> = Vec::new();
            Envelope::new("rotate", true, columns, begin.elapsed().as_secs_f64())
                .with("due", false)?
                .with("key", key)?
                .with("subjects_key", subjects_key)?
                .with("subjects_rewrapped", 0)?
                .with("subjects_closed", 0)?
                .print()?;
        } else {
            line("No key is due: nothing was done.");
        }
        return Ok(Outcome::Clean);
    }
    let more = vec![
        ("due", due.into()),
        ("key", key.into()),
        ("subjects_key", subjects_key.into()),
    ];
    super::change::run(Operation::Rotate, change, None, more, global).await
}

/// Whether a rotation was begun that did not come to its end: keys of subjects are under
/// another key, a run is open, or a value or a file has another key.
async fn is_begun(keyring: &OpenKeyring, global: &Global) -> anyhow::Result<bool> {
    let of = |purpose, state| {
        let keys = keyring.entries().iter();
        keys.filter(move |key| key.purpose == purpose && key.state == state)
    };
    let Some(active) = of(KeyPurpose::Data, KeyState::Active).next() else {
        return Ok(false);
    };
    let rotated = |purpose| of(purpose, KeyState::DecryptOnly).next().is_some();
    let (values, subjects) = (rotated(KeyPurpose::Data), rotated(KeyPurpose::Subjects));
    if !values && !subjects {
        return Ok(false);
    }
    let connected = Connected::open(global).await?;
    let columns = connected.columns(global)?;
    let mut begun = false;
    if let Some(subjects) = &connected.subjects {
        let needed = subjects.needed().await?;
        let is_old = |key: &&KeyEntry| needed.contains_key(&key.id);
        begun = keyring
            .entries()
            .iter()
            .filter(|key| key.state == KeyState::DecryptOnly)
            .any(|key| is_old(&key));
    }
    if values && !begun && !columns.is_empty() {
        let engine = connected.engine()?;
        begun = !engine.open_runs().await?.is_empty();
        if !begun {
            // A run that ended since may have been of another kind: only counting tells.
            let active = active.id.to_string();
            let found = verify::read(&connected, &RunOptions::default(), global).await?;
            begun = found
                .iter()
                .any(|report| report.sealed.keys().any(|key| *key != active));
        }
    }
    if values && !begun && !connected.files(global)?.is_empty() {
        let locations = Locations::open(&connected, None, global).await?;
        let found = locations.run(folder::Operation::Look, |_| {}).await?;
        let active = active.id.to_string();
        begun = found
            .iter()
            .any(|report| report.sealed.keys().any(|key| *key != active));
    }
    connected.close().await;
    Ok(begun)
}
