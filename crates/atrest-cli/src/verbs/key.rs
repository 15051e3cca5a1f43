//! `atrest key`.

use crate::Outcome;
use crate::args::{Global, KeyArgs};

/// Runs the verb.
pub(crate) async fn run(_args: KeyArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
