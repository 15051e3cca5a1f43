//! The files below a folder of the local disk, sealed where they are.
//!
//! Each file is replaced whole: its new form is written to a temporary file beside
//! it, made durable, and given its name, if it still is what was read. Killed at
//! any point, each file is either as it was or done; the same run again removes what
//! was left over and goes on.
//!
//! What a file is, cryptography decides: clear, sealed under a key, or
//! *undecryptable* (it begins as an object does, and does not open), which is never
//! taken for clear and never changed.
//!
//! **Writers.** A file that changes while it is read is left for the next run. One
//! that a program replaces or removes in the moment in which the new form takes its
//! name, too: the two files exchange names (on Linux and macOS, where the file system
//! can), and what turns out to be another than was read has its name back. What a
//! program writes later, into a file that it opened before, goes to the old file
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
mod copy;
mod error;
mod export;
mod file;
mod kept;
mod place;
mod policy;
mod restore;
mod run;
mod state;
mod temporary;
mod walk;

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use atrest_core::object::ObjectBind;
use atrest_engine::policy::SubjectPattern;
use atrest_engine::restore::RestoreMode;

pub use crate::inplace::{
    Belonging, Export, ExportFolder, GlobError, OldFiles, Operation, Options, Progress, Report,
    Restored, Skipped, Tally, Undecryptable, Versions, Why,
};
pub use error::FolderError;

pub(crate) use copy::FolderCopy;

use crate::Keys;
use crate::inplace::Filter;
use kept::Kept;

/// A new name for a temporary file that may come to hold clear bytes: should its
/// process be killed, the next changing run over the folder removes it, if it is not
/// locked.
#[must_use]
pub fn temporary_name() -> String {
    crate::inplace::temporary()
}

/// Gives a new file the owner, group, mode, extended attributes and times of an old one.
///
/// # Errors
/// Those of the system; among them, where owner or group may not be given.
pub fn carry_over(from: &File, to: &File) -> io::Result<()> {
    attributes::carry_over(from, &from.metadata()?, to)
}

/// A folder whose files are kept sealed, and which of them.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    filter: Filter,
    bind: ObjectBind,
    kept: Kept,
}

/// A folder whose files no run changes for as long as this is there.
#[must_use]
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "the lock is the file's")] File);

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
            kept: Kept::default(),
        })
    }

    /// A file that is never changed, if it should be below the root: the policy, a
    /// key file. Whatever leads there is followed. One that comes to be there later
    /// is kept, too.
    ///
    /// # Errors
    /// Those of the system: not knowing which file it is, it could not be spared.
    pub fn keep(&mut self, path: &Path) -> io::Result<()> {
        self.kept.keep(&self.root, path)
    }

    /// Whether the file at `path` below the root is meant, by the globs alone.
    #[must_use]
    pub fn takes(&self, path: &Path) -> bool {
        self.filter.takes(path)
    }

    /// How many files there are that are meant, by their names alone: for a bar that
    /// knows its end.
    #[must_use]
    pub fn count(&self) -> u64 {
        let steps = walk::walk(self);
        steps
            .filter(|step| matches!(step, walk::Step::File(_)))
            .count() as u64
    }

    /// Whether the folder is there and can be read.
    ///
    /// # Errors
    /// [`FolderError::Root`].
    pub fn check(&self) -> Result<(), FolderError> {
        run::open_root(self).map(drop)
    }

    /// Keeps runs that change its files away, until what it gives is dropped.
    ///
    /// # Errors
    /// [`FolderError::Root`]; [`FolderError::Busy`] when one is under way.
    pub fn hold(&self) -> Result<Held, FolderError> {
        let root = run::open_root(self)?;
        run::lock_root(self, &root)?;
        Ok(Held(root))
    }

    /// Opens every chunk of the file at `path` below the root, as
    /// [`Operation::Verify`] does with all: the report is of this one file. Globs are
    /// not looked at.
    ///
    /// # Errors
    /// [`FolderError::Root`].
    pub fn inspect(&self, path: &Path, keys: impl Into<Keys>) -> Result<Report, FolderError> {
        run::inspect(self, path, &keys.into())
    }

    /// The logical id of the object in the file at `path`, which may not be there yet;
    /// none if that is not below the root.
    ///
    /// # Errors
    /// Those of the system, from following links to the root or the file's folder.
    pub fn logical_id(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let below = kept::below(&self.root, path)?;
        Ok(below.map(|path| self.bind.logical_id(path.as_os_str().as_bytes()).to_owned()))
    }

    /// The name of the file at `path`, which may not be there yet, below the root: what
    /// says whose it is. None if it is not below the root.
    ///
    /// # Errors
    /// As [`Self::logical_id`].
    pub fn name_of(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let below = kept::below(&self.root, path)?;
        Ok(below.map(|path| path.as_os_str().as_bytes().to_owned()))
    }

    /// Does it with every file. What is wrong with one is in the report, and no
    /// reason to leave the others.
    ///
    /// Keys of subjects are asked for by [`Keyrings::keyrings`](crate::Keyrings), many at
    /// a time, on the thread that calls; all of them once before the first change. Only
    /// [`Operation::Encrypt`] and [`Operation::Rotate`] make keys, for subjects that have
    /// a file which is due.
    ///
    /// # Errors
    /// [`FolderError::Root`] when the folder cannot be opened,
    /// [`FolderError::Busy`] when another run is changing it, [`FolderError::Keys`].
    pub fn run(
        &self,
        operation: Operation,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Report, FolderError> {
        run::run(self, operation, None, &keys.into(), options)
    }

    /// Holds a copy of the folder, which is encrypted as it is (`cp -a`, rsync, a snapshot),
    /// against it, file by file: the contents are compared, whatever form and key they
    /// have in the folder. A file that does not open in the folder is written again from
    /// the copy, and with [`RestoreMode::Force`] one that changed since, too. What is
    /// written is sealed under the primary key. A file that is gone is named and not made
    /// anew.
    ///
    /// # Errors
    /// [`FolderError::Root`] for either folder, [`FolderError::Busy`], and
    /// [`FolderError::Glob`].
    pub fn restore(
        &self,
        copy: &Path,
        mode: RestoreMode,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Restored, FolderError> {
        let copy = FolderCopy::open(copy, self.filter.clone(), self.bind)?;
        restore::restore(self, &copy, mode, &keys.into(), options)
    }

    /// The same folder, of the files of one subject alone: what [`Operation::Look`] counts
    /// there is for [`Report::erased`], and [`Self::export`] gives them.
    #[must_use]
    pub fn of_subject(self, pattern: &SubjectPattern, subject: &str) -> Self {
        let filter = self.filter.of_subject(pattern, subject);
        Self { filter, ..self }
    }

    /// Gives the clear content of every file that is meant. One that does not open to its
    /// end is named, and not begun.
    ///
    /// # Errors
    /// [`FolderError::Root`], [`FolderError::Keys`]; [`FolderError::Export`] when they
    /// cannot be taken, or one changed while it was given.
    pub fn export(
        &self,
        keys: impl Into<Keys>,
        to: &mut dyn Export,
    ) -> Result<Vec<Belonging>, FolderError> {
        export::export(self, &keys.into(), to)
    }

    /// Opens, in the old format, every file that is no object yet, and every chunk of those
    /// that are. Nothing is changed. One that does not open in the old format is in the
    /// report as skipped; one that does, as clear. What killed runs left is not: taking
    /// over removes it.
    ///
    /// # Errors
    /// As [`Folder::run`].
    pub fn verify_old(
        &self,
        old: &OldFiles,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Report, FolderError> {
        let mut found = run::run(self, Operation::Verify, Some(old), &keys.into(), options)?;
        found.skipped.retain(|it| it.why != Why::LeftOver);
        Ok(found)
    }

    /// Makes objects of files that an earlier system encrypted: whatever is no object
    /// yet. First every one of them is opened ([`Self::verify_old`]), and if one does not
    /// open in the old format, nothing is changed. Clear bytes stay in memory.
    ///
    /// # Errors
    /// As [`Folder::run`].
    pub fn take_over(
        &self,
        old: &OldFiles,
        keys: impl Into<Keys>,
        options: &Options<'_>,
    ) -> Result<Report, FolderError> {
        let keys = keys.into();
        let found = self.verify_old(old, &keys, options)?;
        if !found.is_clean() {
            return Ok(found);
        }
        let removed = old.remove_left_over();
        let mut report = run::run(self, Operation::Encrypt, Some(old), &keys, options)?;
        report.removed += removed;
        Ok(report)
    }
}
