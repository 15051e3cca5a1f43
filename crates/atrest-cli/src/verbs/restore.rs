//! `atrest restore`.

use crate::Outcome;
use crate::args::{Global, RestoreArgs};

/// Runs the verb.
pub(crate) async fn run(_args: &RestoreArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
