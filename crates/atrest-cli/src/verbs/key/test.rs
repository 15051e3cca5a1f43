//! `atrest key test`: one source, tried.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use atrest_core::{Context, Key};
use atrest_engine::policy::Policy;
use atrest_keys::{Environment, KeySource, Settings, source};

use crate::Outcome;
use crate::args::{Global, TestArgs};
use crate::output::{line, warn};
use crate::session::Unopened;

/// Runs the verb.
pub(super) fn run(args: &TestArgs, global: &Global) -> anyhow::Result<Outcome> {
    let unopened = surroundings(global)?;
    let keys = unopened.keys();
    let settings = keys.settings(keys.policy.directory());
    let begin = Instant::now();
    let (source, found) =
        tried(&args.source, &settings, keys.environment).context("this source does not work")?;
    let seconds = begin.elapsed().as_secs_f64();
    let kind = if source.delivers() {
        "delivers"
    } else {
        "wraps"
    };
    if global.json {
        let ids: Vec<String> = found.iter().map(|key| key.id().to_string()).collect();
        super::envelope("key test", true, seconds)
            .with("source", source.name())?
            .with("kind", kind)?
            .with("key_ids", ids)?
            .print()?;
        return Ok(Outcome::Clean);
    }
    if let Some(warning) = source.weakness() {
        warn(&warning.to_string());
    }
    line(&match source.delivers() {
        true => format!("{}: delivers {}", source.name(), ids(&found)),
        false => format!("{}: wraps keys, and shows none", source.name()),
    });
    let use_as = match source.delivers() {
        true => "as `primary`, `previous`, or the `root` of a keyring",
        false => "as the `root` of a keyring",
    };
    line(&format!(
        "A key was wrapped and unwrapped again. It works, in {seconds:.3} s; use it {use_as}."
    ));
    Ok(Outcome::Clean)
}

/// Has a source do what it can do.
fn tried(
    uri: &str,
    settings: &Settings,
    env: &Environment,
) -> anyhow::Result<(Box<dyn KeySource>, Vec<Key>)> {
    let source = source::parse(uri, settings)?;
    let found = match source.delivers() {
        true => source.keys(env)?,
        false => Vec::new(),
    };
    let (key, place) = (Key::generate()?, Context::new("atrest/key-test"));
    let wrapped = source.wrap_key(&key, &place, env)?;
    let back = source.unwrap_key(&wrapped, &place, env)?;
    anyhow::ensure!(
        back.expose_secret() == key.expose_secret(),
        "{} gave back another key than it wrapped; do not use it",
        source.name()
    );
    Ok((source, found))
}

fn ids(keys: &[Key]) -> String {
    let ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
    match ids.len() {
        1 => format!("the key {}", ids.concat()),
        n => format!(
            "{n} keys ({}), of which the first is the primary",
            ids.join(", ")
        ),
    }
}

/// The policy's environment, or, where there is no policy, that of the current folder.
pub(super) fn surroundings(global: &Global) -> anyhow::Result<Unopened> {
    if global.policy.exists() {
        return Unopened::read(global);
    }
    let policy = Policy::parse("[keys]\nprimary = \"env:NONE\"\n", "atrest.toml")?;
    Unopened::with(policy, Path::new(""), global)
}
