//! `atrest bench`.

use crate::Outcome;
use crate::args::{Global, BenchArgs};

/// Runs the verb.
pub(crate) async fn run(_args: &BenchArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
