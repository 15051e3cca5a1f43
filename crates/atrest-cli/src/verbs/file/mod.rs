//! `atrest file`: whole files and streams, under the policy's keys.
//!
//! | file | what it is for |
//! |---|---|
//! | `copy.rs` | `seal` and `open` |
//! | `cat.rs`, `range.rs` | any part of a file |
//! | `mv.rs` | a file that is bound to its path gets another |
//! | `bucket.rs` | the same two for objects of a bucket |
//! | `verify.rs` | every byte of many files |
//! | `shred.rs` | the clear files that are left |
//! | `place.rs` | where bytes come from, and new files that appear whole |
//! | `pour.rs` | clear bytes from a reader to a writer |
//! | `report.rs` | what is said of a file |

mod bucket;
mod cat;
mod copy;
mod mv;
mod place;
mod pour;
mod range;
mod report;
mod shred;
mod verify;

pub(crate) use range::ByteRange;
pub(super) use report::FileReport;

use crate::Outcome;
use crate::args::{FileArgs, FileCommand, Global};

/// Runs the verb.
pub(crate) async fn run(args: &FileArgs, global: &Global) -> anyhow::Result<Outcome> {
    match &args.command {
        FileCommand::Seal(args) => copy::seal(args, global),
        FileCommand::Open(args) => copy::open(args, global),
        FileCommand::Cat(args) => cat::run(args, global).await,
        FileCommand::Verify(args) => verify::run(args, global),
        FileCommand::Mv(args) => mv::run(args, global).await,
        FileCommand::Shred(args) => shred::run(args, global),
    }
}

/// As many threads as the machine has, up to where the disk is slower anyway.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(8))
}
