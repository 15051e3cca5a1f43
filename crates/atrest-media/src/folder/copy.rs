//! A copy of a location, on the local disk: what is held against the location.

use std::fs::File;
use std::path::{Path, PathBuf};

use atrest_core::object::ObjectBind;

use super::kept::Kept;
use super::place::Source;
use super::run::open_root;
use super::walk::{Step, walk};
use super::{Folder, FolderError, Why};
use crate::inplace::{Failure, Filter};

/// The copy of a location: files that are encrypted as they were there.
pub(crate) struct FolderCopy {
    folder: Folder,
    root: File,
}

impl FolderCopy {
    /// What of it the location's globs mean.
    pub(crate) fn open(path: &Path, filter: Filter, bind: ObjectBind) -> Result<Self, FolderError> {
        let folder = Folder {
            root: path.to_owned(),
            filter,
            bind,
            kept: Kept::default(),
        };
        let root = open_root(&folder)?;
        Ok(Self { folder, root })
    }

    /// Its files, in sorted order, and what is none where one would be meant. Paths are
    /// below the root.
    pub(crate) fn files(&self) -> impl Iterator<Item = Result<PathBuf, (PathBuf, Why)>> {
        walk(&self.folder).filter_map(|step| match step {
            Step::File(path) => Some(Ok(path)),
            // What a killed run left beside a file is no copy of anything.
            Step::Temporary(_) => None,
            Step::Skipped(path, why) => Some(Err((path, why))),
        })
    }

    /// The file at a path below the root.
    pub(crate) fn source(&self, path: &Path) -> Result<Source, Failure> {
        Source::open(&self.root, path)
    }
}
