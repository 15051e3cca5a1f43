//! `atrest verify`.

use crate::Outcome;
use crate::args::{Global, VerifyArgs};

/// Runs the verb.
pub(crate) async fn run(_args: &VerifyArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
