//! A folder as the policy's `[[files]]` describes it, and what would be done with it.

use std::path::Path;

use atrest_core::object::sealed_len;
use atrest_core::{KeyId, Keyring};
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::FilesPlan;
use atrest_engine::target::Finding;

use super::{Folder, FolderError, Operation, Options, Tally};

impl Folder {
    /// The folder of a `[[files]]`; `directory` is the policy's.
    ///
    /// # Errors
    /// [`FolderError::Glob`].
    pub fn of(policy: &FilesPolicy, directory: &Path) -> Result<Self, FolderError> {
        let root = policy.path(directory);
        Self::new(root, &policy.include, &policy.exclude, policy.bind)
    }

    /// What `operation` would do, after a look at every file; `policy` is the folder's.
    ///
    /// # Errors
    /// As [`Folder::run`].
    pub fn plan(
        &self,
        operation: atrest_engine::Operation,
        policy: &FilesPolicy,
        keyring: &Keyring,
        options: &Options<'_>,
    ) -> Result<FilesPlan, FolderError> {
        let report = self.run(Operation::Look, keyring, options)?;
        let primary = keyring.primary().id();
        let sealed = |wanted: &dyn Fn(KeyId) -> bool| {
            let those = report.sealed.iter().filter(|(key, _)| wanted(**key));
            those.fold(Tally::default(), |sum, (_, tally)| sum.and(*tally))
        };
        let due = match operation {
            atrest_engine::Operation::Encrypt => report.clear,
            atrest_engine::Operation::Rotate => sealed(&|key| key != primary),
            atrest_engine::Operation::Decrypt => sealed(&|_| true),
        };
        let free = rustix::fs::statvfs(&self.root).ok();
        let free_bytes = free.and_then(|stat| stat.f_bavail.checked_mul(stat.f_frsize));
        // Each worker holds one file twice until it has replaced it.
        let largest = sealed_len(report.largest).unwrap_or(u64::MAX);
        let room = largest.saturating_mul(options.workers.max(1) as u64);
        let warnings = match free_bytes {
            Some(free) if due.files > 0 && free < room => vec![Finding {
                what: format!(
                    "{} workers may need {room} bytes for the new forms of files beside the old \
                     ones, and {free} are free",
                    options.workers.max(1)
                ),
                next: "make room, or run with --workers 1".to_owned(),
            }],
            _ => Vec::new(),
        };
        Ok(FilesPlan {
            due: due.files,
            due_bytes: due.bytes,
            free_bytes,
            warnings,
            now: report.of(policy),
        })
    }
}
