//! A folder as the policy's `[[files]]` describes it, and the room for its plan.

use std::path::Path;

use atrest_core::object::sealed_len;
use atrest_engine::policy::FilesPolicy;
use atrest_engine::report::FilesPlan;
use atrest_engine::target::Finding;

use super::{Folder, FolderError};

impl Folder {
    /// The folder of a `[[files]]`; `directory` is the policy's.
    ///
    /// # Errors
    /// [`FolderError::Glob`].
    pub fn of(policy: &FilesPolicy, directory: &Path) -> Result<Self, FolderError> {
        let root = policy.path(directory);
        Self::new(root, &policy.include, &policy.exclude, policy.bind)
    }

    /// Adds to a plan how much room there is, and whether that may be too little for
    /// so many workers, each of which holds one file twice until it has replaced it.
    pub fn look_for_room(&self, plan: &mut FilesPlan, workers: usize) {
        let stat = rustix::fs::statvfs(&self.root).ok();
        plan.free_bytes = stat.and_then(|stat| stat.f_bavail.checked_mul(stat.f_frsize));
        let workers = workers.max(1);
        let largest = sealed_len(plan.largest).unwrap_or(u64::MAX);
        let room = largest.saturating_mul(workers as u64);
        if let Some(free) = plan.free_bytes
            && plan.due > 0
            && free < room
        {
            plan.warnings.push(Finding {
                what: format!(
                    "{workers} workers may need {room} bytes for the new forms of files beside the \
                     old ones, and {free} are free"
                ),
                next: "make room, or run with --workers 1".to_owned(),
            });
        }
    }
}
