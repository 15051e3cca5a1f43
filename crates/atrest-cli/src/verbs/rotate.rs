//! `atrest rotate`, and `atrest rotate --due`: the key first, if it is old enough.

use std::time::Instant;

use anyhow::bail;
use atrest_engine::Operation;
use atrest_engine::report::ColumnReport;
use atrest_keys::keyring::{KeyPurpose, KeyState, OpenKeyring};
use atrest_media::folder;
use jiff::Timestamp;

use super::key::{life, rotate as key_rotate};
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
    let due = life::due(keyring, after, now).any(|key| key.purpose == KeyPurpose::Data);
    let mut key = None;
    if due && !change.dry_run {
        let rotated = key_rotate::rotate(&session, KeyPurpose::Data).await?;
        if !global.json {
            key_rotate::say(&rotated);
        }
        key = Some(rotated.key.to_string());
    }
    if !due && !is_begun(keyring, global).await? {
        if global.json {
            let columns: Vec<ColumnReport> = Vec::new();
            Envelope::new("rotate", true, columns, begin.elapsed().as_secs_f64())
                .with("due", false)?
                .with("key", key)?
                .print()?;
        } else {
            line("No key is due: nothing was done.");
        }
        return Ok(Outcome::Clean);
    }
    let more = vec![("due", due.into()), ("key", key.into())];
    super::change::run(Operation::Rotate, change, None, more, global).await
}

/// Whether a rotation was begun that did not come to its end: a run is open, no run over
/// a column has ended since the key became active, or a file has another key.
async fn is_begun(keyring: &OpenKeyring, global: &Global) -> anyhow::Result<bool> {
    let of_data = |state| {
        let keys = keyring.entries().iter();
        keys.filter(move |key| key.purpose == KeyPurpose::Data && key.state == state)
    };
    let Some(active) = of_data(KeyState::Active).next() else {
        return Ok(false);
    };
    if of_data(KeyState::DecryptOnly).next().is_none() {
        return Ok(false);
    }
    let connected = Connected::open(global).await?;
    let columns = connected.columns(global)?;
    let mut begun = false;
    if !columns.is_empty() {
        let engine = connected.engine()?;
        begun = !engine.open_runs().await?.is_empty();
        let journal = engine.journal().await?;
        for column in columns {
            let record = journal.column(&column.id());
            let last = record.and_then(|record| record.last_run.as_ref());
            let ended = last.and_then(|last| last.finished.parse::<Timestamp>().ok());
            // Never encrypted: there is nothing to rotate.
            begun |= ended.is_some_and(|ended| ended < active.created);
        }
    }
    if !begun && !connected.files(global)?.is_empty() {
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
