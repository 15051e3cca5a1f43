//! A file and the temporary one beside it, by their folder's descriptor: no part of a
//! path that becomes a symbolic link meanwhile leads elsewhere.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};

use super::Why;
use crate::inplace::{Failure, temporary};

/// A regular file, open for reading.
pub(super) struct Source {
    folder: File,
    name: PathBuf,
    pub(super) file: File,
    pub(super) about: Metadata,
}

impl Source {
    /// Opens the file at a path below `root`, no part of which may be a symbolic link.
    pub(super) fn open(root: &File, path: &Path) -> Result<Self, Failure> {
        let gone = |error: io::Error| match error.kind() {
            // NotADirectory, FilesystemLoop: something else took its place.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Failure::Skipped(Why::Vanished)
            }
            _ => Failure::io("opening it")(error),
        };
        let folder = open_folder(root, path.parent()).map_err(gone)?;
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        let file = open_name(&folder, &name).map_err(gone)?;
        let about = file.metadata().map_err(Failure::io("looking at it"))?;
        if !about.is_file() {
            return Err(Failure::Skipped(Why::Special));
        }
        Ok(Self {
            folder,
            name,
            file,
            about,
        })
    }

    /// Is the file what it was when it was opened, and still the one of its name?
    pub(super) fn check(&self) -> Result<(), Failure> {
        let before = identity(&self.about);
        let open = self.file.metadata();
        let open = open.map_err(Failure::io("looking at it again"))?;
        let named = match open_name(&self.folder, &self.name).and_then(|file| file.metadata()) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::Skipped(Why::Vanished));
            }
            Err(error) => return Err(Failure::io("looking at it again")(error)),
        };
        if identity(&open) == before && identity(&named) == before {
            Ok(())
        } else {
            Err(Failure::Skipped(Why::Changed))
        }
    }

    /// Removes the file, which is a temporary one, unless a run is writing to it.
    /// Gives whether it did.
    pub(super) fn remove_left_over(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(false),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        unlinkat(&self.folder, &self.name, AtFlags::empty())?;
        Ok(true)
    }
}

/// Everything that a write changes, and that makes it this file.
fn identity(about: &Metadata) -> [i128; 7] {
    [
        about.dev().into(),
        about.ino().into(),
        about.len().into(),
        about.mtime().into(),
        about.mtime_nsec().into(),
        about.ctime().into(),
        about.ctime_nsec().into(),
    ]
}

fn open_folder(root: &File, path: Option<&Path>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = root.try_clone()?;
    for part in path.into_iter().flat_map(Path::components) {
        let Component::Normal(part) = part else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        folder = File::from(openat(&folder, part, flags, Mode::empty())?);
    }
    Ok(folder)
}

/// Without waiting for the other end, should it have become a pipe.
fn open_name(folder: &File, name: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, Mode::empty())?))
}

/// A file beside a [`Source`] that is to take its place. Removed unless it did.
pub(super) struct Temporary<'s> {
    source: &'s Source,
    name: String,
    pub(super) file: File,
    placed: bool,
}

impl<'s> Temporary<'s> {
    /// An empty file that only its owner can read, locked as long as it is open: so
    /// that no other run takes it for one that was left over.
    pub(super) fn beside(source: &'s Source) -> Result<Self, Failure> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let name = temporary();
        let file = openat(&source.folder, &name, flags, Mode::RUSR | Mode::WUSR);
        let file = file.map_err(|error| Failure::io("making a temporary file")(error.into()))?;
        let temporary = Self {
            source,
            name,
            file: File::from(file),
            placed: false,
        };
        // Where files cannot be locked, the lock of the root has to do.
        let _ = temporary.file.try_lock();
        Ok(temporary)
    }

    /// Gives it the source's name, durably. The source must have been checked just
    /// now, and this file be durable.
    pub(super) fn place(mut self) -> Result<(), Failure> {
        let folder = &self.source.folder;
        let name: &OsStr = self.source.name.as_os_str();
        renameat(folder, &self.name, folder, name)
            .map_err(|error| Failure::io("putting the new file in its place")(error.into()))?;
        self.placed = true;
        // Too late to say that nothing was done; a crash may still undo the rename.
        let _ = folder.sync_all();
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.placed {
            let _ = unlinkat(&self.source.folder, &self.name, AtFlags::empty());
        }
    }
}
