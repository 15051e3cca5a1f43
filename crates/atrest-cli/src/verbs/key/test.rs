//! `atrest key test`: one source, tried.

use std::collections::HashSet;
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
    let tried = tried(&args.source, &settings, keys.environment);
    let Tried {
        source,
        found,
        uses,
    } = tried.context("this source does not work")?;
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
            .with("use_as", uses)?
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
    let uses: Vec<_> = uses.iter().map(|place| format!("`{place}`")).collect();
    line(&format!(
        "A key was wrapped and unwrapped again. It works, in {seconds:.3} s; in [keys] it may be {}.",
        uses.join(" or ")
    ));
    Ok(Outcome::Clean)
}

/// A source that works.
struct Tried {
    source: Box<dyn KeySource>,
    /// The keys that it delivers.
    found: Vec<Key>,
    /// What of `[keys]` it may stand for.
    uses: &'static [&'static str],
}

/// Has a source do what it can do, and a policy take it.
fn tried(uri: &str, settings: &Settings, env: &Environment) -> anyhow::Result<Tried> {
    let source = source::parse(uri, settings)?;
    let (found, uses): (_, &[_]) = match (source.delivers(), source.weakness()) {
        (false, _) => (Vec::new(), &["root"]),
        (true, Some(_)) => (source.keys(env)?, &["previous"]),
        (true, None) => (source.keys(env)?, &["primary", "previous", "root"]),
    };
    refuse_duplicates(&found, source.name())?;
    let (key, place) = (Key::generate()?, Context::new("atrest/key-test"));
    let wrapped = source.wrap_key(&key, &place, env)?;
    let back = source.unwrap_key(&wrapped, &place, env)?;
    anyhow::ensure!(
        back.expose_secret() == key.expose_secret(),
        "{} gave back another key than it wrapped; do not use it",
        source.name()
    );
    Ok(Tried {
        source,
        found,
        uses,
    })
}

/// No policy takes a list with one key in it twice.
fn refuse_duplicates(keys: &[Key], origin: &str) -> anyhow::Result<()> {
    let ids: HashSet<_> = keys.iter().map(Key::id).collect();
    anyhow::ensure!(
        ids.len() == keys.len(),
        "{origin} has one key twice, or two with one id; leave one of them out"
    );
    Ok(())
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
