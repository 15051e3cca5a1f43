//! `atrest key init`: the keyring that the policy names, with its first key.

use std::time::Instant;

use atrest_keys::keyring::{KeyringError, OpenKeyring};
use jiff::Timestamp;

use crate::Outcome;
use crate::args::Global;
use crate::output::line;
use crate::session::Unopened;

/// Runs the verb.
pub(super) async fn run(global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let unopened = Unopened::read(global)?;
    let keys = unopened.keys();
    let (store, uri) = keys.store()?;
    if store.load().await?.is_some() {
        let origin = store.name();
        return Err(KeyringError::Exists { origin }.into());
    }
    let root = keys.source(uri)?;
    if let Some(warning) = root.weakness() {
        return Err(atrest_keys::KeySourceError::WeakPrimary { warning }.into());
    }
    let taken = keys.previous_ids()?;
    let new = OpenKeyring::create(&*root, uri, keys.environment, Timestamp::now(), &taken)?;
    let made = new.store(&*store, &*root, keys.environment).await?;
    let key = made.data().primary().id();
    if global.json {
        super::envelope("key init", true, begin.elapsed().as_secs_f64())
            .with("keyring", store.name())?
            .with("generation", made.generation())?
            .with("key", key.to_string())?
            .print()?;
        return Ok(Outcome::Clean);
    }
    line(&format!("{}: made, with key {key}", store.name()));
    line(
        "Without this file or its root, what its keys encrypt is lost. Next: keep a copy with your backups,",
    );
    line("and make recovery shares for the safe: atrest key export --shares 3/5 --out shares");
    Ok(Outcome::Clean)
}
