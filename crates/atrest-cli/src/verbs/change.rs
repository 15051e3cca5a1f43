//! `atrest encrypt`.

use crate::Outcome;
use crate::args::{Global, ChangeArgs};

/// Runs the verb.
pub(crate) async fn run(_o: atrest_engine::Operation, _args: &ChangeArgs, _global: &Global) -> anyhow::Result<Outcome> {
    anyhow::bail!("being written")
}
