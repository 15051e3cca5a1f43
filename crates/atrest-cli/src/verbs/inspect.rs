//! `atrest inspect`.

use crate::Outcome;
use crate::args::{Global, InspectArgs};

/// Runs the verb.
pub(crate) async fn run(_args: &InspectArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
