//! `atrest plan`.

use crate::Outcome;
use crate::args::{Global, PlanArgs};

/// Runs the verb.
pub(crate) async fn run(_args: &PlanArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
