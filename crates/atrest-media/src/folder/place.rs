//! A file by its folder's descriptor: no part of a path that becomes a symbolic link
//! meanwhile leads elsewhere.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

use super::Why;
use crate::failpoints::{Point, reached};
use crate::inplace::Failure;

/// A regular file, open for reading.
pub(crate) struct Source {
    pub(super) folder: File,
    pub(super) name: PathBuf,
    pub(crate) file: File,
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
        reached(Point::LeftOverRemoved);
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
