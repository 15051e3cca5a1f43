//! `atrest key recover`: the keyring opened by shares, and put under a new root.

use std::time::Instant;

use anyhow::Context as _;
use atrest_keys::keyring::OpenKeyring;
use jiff::Timestamp;

use super::replace::policy_line;
use super::shares;
use crate::Outcome;
use crate::args::{Global, RecoverArgs};
use crate::output::line;
use crate::session::Unopened;

/// Runs the verb.
pub(super) async fn run(args: &RecoverArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let unopened = Unopened::read(global)?;
    let keys = unopened.keys();
    let (store, text) = keys.document().await?;
    let key = shares::combine(&args.shares)?;
    let opened = OpenKeyring::open_with(&text, &store.name(), key)
        .context("the shares do not open this keyring")?;
    let uri = args
        .root
        .as_deref()
        .unwrap_or(unopened.policy.keys.root_source());
    let root = keys.source(uri)?;
    if let Some(warning) = root.weakness() {
        return Err(atrest_keys::KeySourceError::WeakPrimary { warning }.into());
    }
    let change = opened
        .rewrap(&*root, uri, keys.environment, Timestamp::now())
        .with_context(|| format!("the root {uri} cannot be used; nothing was changed"))?;
    let after = keys.put_under(change, &*root).await?;
    let written = policy_line(&unopened, uri, !args.no_edit);
    if global.json {
        super::envelope("key recover", true, begin.elapsed().as_secs_f64())
            .with("keyring", store.name())?
            .with("generation", after.generation())?
            .with("root", uri)?
            .with("policy", written.then_some(&unopened.path))?
            .print()?;
        return Ok(Outcome::Clean);
    }
    line(&format!("{}: recovered, and now under {uri}", store.name()));
    line(
        "The shares were together in one place: once all is well, run atrest key rewrap --renew-keyring-key and export new ones.",
    );
    Ok(Outcome::Clean)
}
