use std::io;
use std::path::PathBuf;

use atrest_core::object::ObjectError;

use super::Why;
use crate::MediaError;

/// Why nothing could be done with a folder at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A glob that is none.
    #[error("`{glob}` is no pattern: {problem}; write for example `*.mp4` or `clips/**`")]
    Glob {
        /// As it was given.
        glob: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder cannot be opened.
    #[error(
        "cannot open the folder {}: {source}; check that it is there and can be read", path.display()
    )]
    Root {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another run holds the folder's lock.
    #[error(
        "another run of atrest is changing the files in {}; wait until it has ended", path.display()
    )]
    Busy {
        /// Which folder.
        path: PathBuf,
    },
}

/// Why one file was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// It stays as it was, and this is why.
    Skipped(Why),
    /// It does not open.
    Object(ObjectError),
    /// The run is to end.
    Stopped,
}

impl Failure {
    /// For `map_err`: this is what was being done.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Skipped(Why::Failed(format!("{doing} failed: {error}")))
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Object(error) => Self::Object(error),
            // A reader of objects is a reader like any other to what reads from it.
            MediaError::Io { doing, source } => match source.downcast::<ObjectError>() {
                Ok(error) => Self::Object(error),
                Err(source) => Self::io(doing)(source),
            },
        }
    }
}
