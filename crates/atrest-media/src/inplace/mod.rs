//! What changing things in place shares wherever they are: what is done, with which
//! names, and what is told of it.

mod begins;
mod export;
mod failure;
mod filter;
mod name;
mod old_files;
mod operation;
mod original;
mod report;
mod restored;
mod watch;
mod words;
mod wrong_keys;

pub use export::{Belonging, Export, ExportFolder};
pub use filter::GlobError;
pub use old_files::OldFiles;
pub use operation::{Operation, Options};
pub use report::{Report, Skipped, Tally, Undecryptable, Versions, Why};
pub use restored::Restored;
pub use watch::Progress;

pub(crate) use begins::begins_object;
pub(crate) use failure::{Failure, sealing};
pub(crate) use filter::Filter;
pub(crate) use name::{is_temporary, temporary};
pub(crate) use original::{KEEPING, Original};
pub(crate) use report::{Done, Left};
pub(crate) use restored::{Compared, writes};
pub(crate) use watch::{Watch, Watched};
pub(crate) use words::{NAMED, readable};
pub(crate) use wrong_keys::{Foreign, HEADER};
