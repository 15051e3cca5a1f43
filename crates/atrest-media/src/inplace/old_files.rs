//! Taking over what an earlier system encrypted.

use std::fs::{self, File};
use std::path::PathBuf;

use atrest_core::Keyring;
use walkdir::WalkDir;

use super::is_temporary;
use crate::OldFormat;

/// Files that an earlier system encrypted: all of a folder, or below a prefix of a bucket,
/// that are no objects of atrest.
#[derive(Debug)]
pub struct OldFiles {
    /// How.
    pub format: OldFormat,
    /// Under which keys.
    pub keyring: Keyring,
    /// A folder, outside of the one that is taken over, for the files as they were:
    /// copies under the same paths, durable before anything takes their place. Without
    /// authentication nothing else could undo the taking over of a file that was none
    /// of that system's.
    pub originals: Option<PathBuf>,
}

impl OldFiles {
    /// Removes what killed runs left where originals go. Gives how many files that were.
    pub(crate) fn remove_left_over(&self) -> u64 {
        let originals = self.originals.iter();
        let entries = originals.flat_map(|folder| WalkDir::new(folder).into_iter().flatten());
        let left = entries.filter(|entry| {
            let name = entry.file_name().as_encoded_bytes();
            entry.file_type().is_file() && is_temporary(name)
        });
        // One that is locked is being written by another run.
        let removed = left.filter(|entry| {
            let file = File::open(entry.path());
            file.is_ok_and(|file| file.try_lock().is_ok()) && fs::remove_file(entry.path()).is_ok()
        });
        removed.count() as u64
    }
}
