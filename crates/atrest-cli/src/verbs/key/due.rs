//! `atrest key due`: for cron.

use std::time::Instant;

use anyhow::bail;
use atrest_engine::report::KeyUsage;
use jiff::Timestamp;

use super::life;
use crate::Outcome;
use crate::args::Global;
use crate::output::line;
use crate::session::Session;

/// Runs the verb.
pub(super) fn run(global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    let keyring = session.opened()?;
    let Some(after) = session.policy.keys.rotate_after else {
        bail!(
            "{} does not say how old a key may become; write rotate_after = \"90d\" into [keys]",
            session.policy.origin
        );
    };
    let now = Timestamp::now();
    let due: Vec<_> = life::due(keyring, Some(after), now).collect();
    if global.json {
        let mut usage = KeyUsage::uncounted(session.keyring(), &|id| session.origin(id));
        life::add(&mut usage, None, &session);
        super::envelope("key due", due.is_empty(), begin.elapsed().as_secs_f64())
            .with("keyring", keyring.origin())?
            .with("keys", usage)?
            .print()?;
        return Ok(Outcome::from_clean(due.is_empty()));
    }
    for key in &due {
        line(&format!(
            "key {} ({}) is {} old, and keys are to be rotated after {}: atrest rotate --due",
            key.id,
            key.purpose.name(),
            life::age(key.age(now)),
            life::age(after.as_secs())
        ));
    }
    if due.is_empty() {
        line("No key is due.");
    }
    Ok(Outcome::from_clean(due.is_empty()))
}
