//! `atrest key …`: keys that are made and listed, and the life of a keyring. One file for
//! each verb; `life.rs` is what a keyring says of a key, `needed.rs` what needs one,
//! `replace.rs` what verbs that put the keyring under another root share.

mod drill;
mod due;
mod export;
mod generate;
pub(super) mod init;
pub(super) mod life;
pub(crate) mod list;
mod needed;
mod recover;
mod replace;
mod retire;
mod rewrap;
pub(super) mod rotate;
mod shares;
mod test;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use atrest_engine::report::ColumnReport;

use crate::Outcome;
use crate::args::{Global, KeyArgs, KeyCommand};
use crate::output::Envelope;

/// Runs the verb.
pub(crate) async fn run(args: KeyArgs, global: &Global) -> anyhow::Result<Outcome> {
    match args.command {
        KeyCommand::Generate(args) => generate::run(&args, global),
        KeyCommand::List => list::run(global).await,
        KeyCommand::Init => init::run(global).await,
        KeyCommand::Rotate(args) => rotate::run(&args, global).await,
        KeyCommand::Rewrap(args) => rewrap::run(&args, global).await,
        KeyCommand::Retire(args) => retire::run(&args, global).await,
        KeyCommand::Export(args) => export::run(&args, global),
        KeyCommand::Recover(args) => recover::run(&args, global).await,
        KeyCommand::Due => due::run(global),
        KeyCommand::Test(args) => test::run(&args, global),
        KeyCommand::Drill(args) => drill::run(&args, global).await,
    }
}

/// A new file that only its owner can read, durable, with this line.
fn write_private(path: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}

/// The envelope of a verb that is about no column.
fn envelope(command: &'static str, ok: bool, seconds: f64) -> Envelope<ColumnReport> {
    Envelope::new(command, ok, Vec::new(), seconds)
}
