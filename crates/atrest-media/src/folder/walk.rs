use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{Folder, Why};
use crate::inplace::is_temporary;

/// What the walk comes to. Paths are below the root.
pub(super) enum Step {
    /// A regular file that is meant.
    File(PathBuf),
    /// A regular file with a temporary name of ours.
    Temporary(PathBuf),
    /// Anything else that would be meant.
    Skipped(PathBuf, Why),
}

/// All that is below the root, each folder's names in sorted order. A folder is read
/// whole before its first file is given: what the run itself makes in it is not met.
pub(super) fn walk(folder: &Folder) -> impl Iterator<Item = Step> {
    let below = |path: &Path| {
        let path = path.strip_prefix(&folder.root).unwrap_or(path);
        path.to_owned()
    };
    let walk = WalkDir::new(&folder.root).min_depth(1).sort_by_file_name();
    walk.into_iter().filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().map(below).unwrap_or_default();
                let why = match error.io_error() {
                    Some(io) if io.kind() == std::io::ErrorKind::NotFound => Why::Vanished,
                    Some(io) => Why::Failed(format!("reading the folder failed: {io}")),
                    None => Why::Failed(format!("reading the folder failed: {error}")),
                };
                // A folder that is left out may be as unreadable as it likes.
                return folder
                    .filter
                    .may_hold(&path)
                    .then_some(Step::Skipped(path, why));
            }
        };
        let kind = entry.file_type();
        let path = below(entry.path());
        if kind.is_dir() {
            None
        } else if kind.is_file() && is_temporary(entry.file_name().as_bytes()) {
            Some(Step::Temporary(path))
        } else if kind.is_symlink() && leads_to_folder(&entry) {
            // What is behind it may be meant, whatever its own name is.
            let may_hold = folder.filter.may_hold(&path);
            may_hold.then_some(Step::Skipped(path, Why::Symlink))
        } else if !folder.filter.takes(&path) {
            None
        } else if kind.is_file() {
            Some(Step::File(path))
        } else if kind.is_symlink() {
            Some(Step::Skipped(path, Why::Symlink))
        } else {
            Some(Step::Skipped(path, Why::Special))
        }
    })
}

/// Whether a link, which is not followed, leads to a folder.
fn leads_to_folder(link: &DirEntry) -> bool {
    link.path().metadata().is_ok_and(|about| about.is_dir())
}
