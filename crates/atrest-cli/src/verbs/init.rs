//! `atrest init`.

use crate::Outcome;
use crate::args::{InitArgs, Global};

/// Runs the verb.
pub(crate) async fn run(_args: InitArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
