//! `atrest demo`.

use crate::Outcome;
use crate::args::{DemoArgs, Global};

/// Runs the verb.
pub(crate) async fn run(_args: DemoArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
