use std::io;
use std::path::PathBuf;

use atrest_core::KeyId;
use atrest_engine::subjects::SubjectError;

use crate::inplace::GlobError;

/// Why nothing could be done with a folder at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A glob that is none.
    #[error(transparent)]
    Glob(#[from] GlobError),
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
    /// The keys of a subject cannot be had. What was done by then stays done; keys are
    /// asked for before the first change.
    #[error(transparent)]
    Keys(#[from] SubjectError),
    /// Files that are sealed name keys which are not in the keyring, and none names one that
    /// is. Nothing was changed.
    #[error(
        "{count} files in {} are encrypted under keys that are not in the keyring ({key}) and none \
         under one that is, so nothing was encrypted; check that the key is this folder's, add the \
         other one as a previous key, or move what nobody can open elsewhere",
        path.display()
    )]
    WrongKeys {
        /// Which folder.
        path: PathBuf,
        /// That of the first of them.
        key: KeyId,
        /// How many they are.
        count: u64,
    },
    /// A file could not be given in clear.
    #[error("giving {file} in clear failed: {source}; what was written so far is not complete")]
    Export {
        /// Its path below the root.
        file: String,
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
