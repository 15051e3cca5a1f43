//! `atrest key export`: the keyring's key in recovery shares.

use std::time::Instant;

use anyhow::Context as _;
use atrest_keys::keyring::Share;

use crate::Outcome;
use crate::args::{ExportArgs, Global};
use crate::output::line;
use crate::session::Session;

/// Runs the verb.
pub(super) fn run(args: &ExportArgs, global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    let keyring = session.opened()?;
    let (needed, count) = args.shares;
    let shares = Share::split(keyring.expose_keyring_key(), needed, count)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let mut files = Vec::new();
    let mut set = String::new();
    for share in &shares {
        set = share.set().to_string();
        let name = format!("atrest-{}-{set}-{}.share", keyring.id(), share.index());
        let path = args.out.join(name);
        super::write_private(&path, &share.to_text()).with_context(|| {
            format!(
                "cannot write the share {}; remove the ones of set {set} that are there, and run the command again",
                path.display()
            )
        })?;
        files.push(path);
    }
    if global.json {
        super::envelope("key export", true, begin.elapsed().as_secs_f64())
            .with("keyring", keyring.origin())?
            .with("set", &set)?
            .with("needed", needed)?
            .with("shares", &files)?
            .print()?;
        return Ok(Outcome::Clean);
    }
    files
        .iter()
        .for_each(|file| line(&file.display().to_string()));
    line(&format!(
        "Any {needed} of these {count} shares (set {set}) open {} without its root.",
        keyring.origin()
    ));
    line(
        "Give each to another person or place, prove them with atrest key drill, and remove these files.",
    );
    Ok(Outcome::Clean)
}
