//! `[subjects]`: how people are forgotten.

use std::path::PathBuf;
use std::time::Duration;

/// `[subjects]`: how people are forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectsPolicy {
    /// How long an erasure can be undone; none: not at all.
    pub undo: Duration,
    /// How long backups of the database and of the keyring are kept, wherever they are:
    /// after that none can bring a key back. Not known when it is not said.
    pub retention: Option<Duration>,
    /// The folder of the receipts, from the policy's folder.
    pub receipts: PathBuf,
}

impl Default for SubjectsPolicy {
    fn default() -> Self {
        Self {
            undo: Duration::ZERO,
            retention: None,
            receipts: PathBuf::from("atrest-receipts"),
        }
    }
}
