//! `atrest key init`: the keyring that the policy names, with its first key.

use std::time::Instant;

use atrest::policy_keys::PolicyKeys;
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
    let made = make(&unopened.keys()).await?;
    let key = made.data().primary().id();
    if global.json {
        super::envelope("key init", true, begin.elapsed().as_secs_f64())
            .with("keyring", made.origin())?
            .with("generation", made.generation())?
            .with("key", key.to_string())?
            .print()?;
        return Ok(Outcome::Clean);
    }
    line(&format!("{}: made, with key {key}", made.origin()));
    let what = match unopened.policy.keys.in_database() {
        true => "table",
        false => "file",
    };
    line(&format!(
        "Without this {what} or its root, what its keys encrypt is lost. Next: keep a copy with your backups,"
    ));
    line("and make recovery shares for the safe: atrest key export --shares 3/5 --out shares");
    Ok(Outcome::Clean)
}

/// Makes the keyring that a policy names, durable and read back.
///
/// # Errors
/// When there is one already; the root's and the store's.
pub(crate) async fn make(keys: &PolicyKeys<'_>) -> anyhow::Result<OpenKeyring> {
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
    Ok(new.store(&*store, &*root, keys.environment).await?)
}
