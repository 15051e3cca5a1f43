//! `atrest key rewrap`: the keyring under another root.

use std::time::Instant;

use anyhow::Context as _;
use atrest_keys::LoadedKeyring;
use atrest_keys::keyring::{KeyState, OpenKeyring};
use jiff::Timestamp;

use super::replace::policy_line;
use crate::Outcome;
use crate::args::{Global, RewrapArgs};
use crate::output::line;
use crate::session::Unopened;

/// Runs the verb.
pub(super) async fn run(args: &RewrapArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let unopened = Unopened::read(global)?;
    let keys = unopened.keys();
    // The old root first: without it there is nothing to wrap.
    let loaded = match keys.load() {
        Ok(loaded) => loaded,
        Err(error) => match keys.load_under(&args.root).await {
            Ok(moved) => return finish(&unopened, &moved, args, global, begin),
            Err(_) => return Err(error.into()),
        },
    };
    let opened = loaded.opened.as_deref();
    let opened = opened.ok_or_else(|| keys.no_keyring())?;
    let root = keys.source(&args.root)?;
    if let Some(warning) = root.weakness() {
        return Err(atrest_keys::KeySourceError::WeakPrimary { warning }.into());
    }
    let now = Timestamp::now();
    let rewrap = match args.renew_keyring_key {
        false => OpenKeyring::rewrap,
        true => OpenKeyring::renew,
    };
    let change = rewrap(opened, &*root, &args.root, keys.environment, now).with_context(|| {
        format!(
            "the new root {} cannot be used; nothing was changed",
            args.root
        )
    })?;
    let (store, _) = keys.store()?;
    let after = keys.put_under(change, &*root).await?;
    let written = policy_line(&unopened, &args.root, !args.no_edit);
    if global.json {
        return json(&unopened, &after, written, args, begin);
    }
    line(&format!(
        "{}: {} keys under {}; no value and no file was touched",
        store.name(),
        alive(&after),
        args.root
    ));
    if args.renew_keyring_key {
        line(
            "The keyring key is new: older recovery shares do not open it. Next: atrest key export, atrest key rotate, atrest rotate",
        );
    }
    line(
        "Older copies of the keyring still open with the old root: remove them where nobody should have both.",
    );
    Ok(Outcome::Clean)
}

/// The keyring has this root already, and the policy another that does not open it: as a
/// rewrap leaves it that was interrupted between the two.
fn finish(
    unopened: &Unopened,
    moved: &LoadedKeyring,
    args: &RewrapArgs,
    global: &Global,
    begin: Instant,
) -> anyhow::Result<Outcome> {
    let opened = moved.opened.as_deref();
    let opened = opened.ok_or_else(|| unopened.keys().no_keyring())?;
    let written = policy_line(unopened, &args.root, !args.no_edit);
    if global.json {
        return json(unopened, opened, written, args, begin);
    }
    line(&format!(
        "{}: it was under {} already; only the policy was left to do",
        opened.origin(),
        args.root
    ));
    if args.renew_keyring_key {
        line("Whether its keyring key is new is not known: run this once more to make one.");
    }
    Ok(Outcome::Clean)
}

/// Keys that are wrapped: of destroyed ones there is nothing.
fn alive(keyring: &OpenKeyring) -> usize {
    let entries = keyring.entries().iter();
    entries
        .filter(|key| key.state != KeyState::Destroyed)
        .count()
}

fn json(
    unopened: &Unopened,
    keyring: &OpenKeyring,
    written: bool,
    args: &RewrapArgs,
    begin: Instant,
) -> anyhow::Result<Outcome> {
    super::envelope("key rewrap", true, begin.elapsed().as_secs_f64())
        .with("keyring", keyring.origin())?
        .with("generation", keyring.generation())?
        .with("root", &args.root)?
        .with("policy", written.then_some(&unopened.path))?
        .print()?;
    Ok(Outcome::Clean)
}
