//! The files below a folder of the local disk, sealed where they are.
//!
//! Each file is replaced whole: its new form is written to a temporary file beside
//! it, made durable, and renamed over it, if it still is what was read. Killed at
//! any point, each file is either as it was or done; the same run again removes what
//! was left over and goes on.
//!
//! What a file is, cryptography decides: clear, sealed under a key, or
//! *undecryptable* (it begins as an object does, and does not open), which is never
//! taken for clear and never changed.
//!
//! **Writers.** A file that changes while it is read is left for the next run. What
//! a program writes later, into a file that it opened before, goes to the old file
//! and is lost, as with every program that replaces files. Run it on files that
//! nobody has open for writing.
//!
//! ```
//! use atrest_core::object::ObjectBind;
//! use atrest_core::{Key, Keyring};
//! use atrest_media::folder::{Folder, Operation, Options};
//!
//! # let dir = tempfile::tempdir()?;
//! # let root = dir.path();
//! let keyring = Keyring::new(Key::generate()?, vec![])?;
//! std::fs::create_dir(root.join("gate"))?;
//! std::fs::write(root.join("gate/a.mp4"), "made up")?;
//!
//! let clips = Folder::new(root, &["*.mp4".into()], &[], ObjectBind::Path)?;
//! let report = clips.run(Operation::Encrypt, &keyring, &Options::default())?;
//! assert_eq!(report.changed.files, 1);
//! let report = clips.run(Operation::Verify, &keyring, &Options::default())?;
//! assert_eq!(report.sealed[&keyring.primary().id()].files, 1);
//! assert!(report.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attributes;
mod error;
mod file;
mod place;
mod run;
mod state;
mod walk;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use atrest_core::Keyring;
use atrest_core::object::ObjectBind;

pub use crate::inplace::{
    GlobError, Operation, Options, Progress, Report, Skipped, Tally, Undecryptable, Versions, Why,
};
pub use error::FolderError;

use crate::inplace::Filter;

/// A folder whose files are kept sealed, and which of them.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    filter: Filter,
    bind: ObjectBind,
    kept: BTreeSet<(u64, u64)>,
}

impl Folder {
    /// All files below `root` that one of `include` names (all, if it is empty) and
    /// none of `exclude`.
    ///
    /// A glob without `/` is held against names at any depth, one with `/` against
    /// the path below the root; `*` does not match `/`, `**` does. A glob that names
    /// a folder means all that is in it.
    ///
    /// # Errors
    /// [`FolderError::Glob`].
    pub fn new(
        root: impl Into<PathBuf>,
        include: &[String],
        exclude: &[String],
        bind: ObjectBind,
    ) -> Result<Self, FolderError> {
        Ok(Self {
            root: root.into(),
            filter: Filter::new(include, exclude)?,
            bind,
            kept: BTreeSet::new(),
        })
    }

    /// A file that is never changed, if it should be below the root: the policy, a
    /// key file. Whatever leads there is followed. One that does not exist is fine.
    ///
    /// # Errors
    /// Those of the system: not knowing which file it is, it could not be spared.
    pub fn keep(&mut self, path: &Path) -> io::Result<()> {
        match std::fs::metadata(path) {
            Ok(about) => {
                self.kept.insert((about.dev(), about.ino()));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Does it with every file. What is wrong with one is in the report, and no
    /// reason to leave the others.
    ///
    /// # Errors
    /// [`FolderError::Root`] when the folder cannot be opened,
    /// [`FolderError::Busy`] when another run is changing it.
    pub fn run(
        &self,
        operation: Operation,
        keyring: &Keyring,
        options: &Options<'_>,
    ) -> Result<Report, FolderError> {
        run::run(self, operation, keyring, options)
    }
}
