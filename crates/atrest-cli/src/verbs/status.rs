//! `atrest status`.

use crate::Outcome;
use crate::args::Global;

/// Runs the verb.
pub(crate) async fn run(_global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
