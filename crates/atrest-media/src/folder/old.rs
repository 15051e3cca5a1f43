//! Taking over the files of an earlier system.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use atrest_core::Keyring;
use walkdir::WalkDir;

use super::place::Source;
use crate::failpoints::{Point, reached};
use crate::inplace::{Failure, is_temporary, temporary};
use crate::{OldFormat, OldReader};

/// Files that an earlier system encrypted: all of a folder that are no objects.
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
    /// The clear bytes of a file.
    pub(super) fn clear<R: Read>(&self, file: R) -> OldReader<R> {
        OldReader::new(file, self.format, &self.keyring)
    }

    /// Copies the file at `path` below the root, as it is, to where originals go.
    pub(super) fn keep(&self, source: &Source, path: &Path) -> Result<(), Failure> {
        let Some(originals) = &self.originals else {
            return Ok(());
        };
        copy(&source.file, &originals.join(path)).map_err(Failure::io("keeping the original"))
    }

    /// Removes what killed runs left where originals go. Gives how many files that were.
    pub(super) fn remove_left_over(&self) -> u64 {
        let originals = self.originals.iter();
        let entries = originals.flat_map(|folder| WalkDir::new(folder).into_iter().flatten());
        let left = entries.filter(|entry| {
            entry.file_type().is_file() && is_temporary(entry.file_name().as_bytes())
        });
        // One that is locked is being written by another run.
        let removed = left.filter(|entry| {
            let file = File::open(entry.path());
            file.is_ok_and(|file| file.try_lock().is_ok()) && fs::remove_file(entry.path()).is_ok()
        });
        removed.count() as u64
    }
}

/// A durable copy of a whole file, which appears whole. One that is there already is
/// the same, or an error.
fn copy(mut from: &File, to: &Path) -> io::Result<()> {
    io::Seek::rewind(&mut from)?;
    if let Ok(there) = File::open(to) {
        let same = same(from, there)?;
        io::Seek::rewind(&mut from)?;
        return match same {
            // Whoever named it may have been killed before that was durable.
            true => sync_folder(to.parent().unwrap_or(Path::new("."))),
            false => Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "{} is there with other bytes; name another folder",
                    to.display()
                ),
            )),
        };
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    reached(Point::OriginalFolderMade);
    let temporary = folder.join(temporary());
    let mut options = File::options();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            // Where files cannot be locked, nothing holds it.
            let _ = file.try_lock();
            reached(Point::OriginalMade);
            io::copy(&mut from, &mut file)?;
            reached(Point::OriginalCopied);
            file.sync_all()?;
            reached(Point::OriginalSynced);
            fs::rename(&temporary, to)?;
            reached(Point::OriginalNamed);
            sync_folder(folder)
        });
    reached(Point::OriginalFolderSynced);
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    io::Seek::rewind(&mut from)?;
    written
}

/// Makes a folder, and those above it, durably.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_folder(above)?;
    match fs::create_dir(path) {
        // By another worker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_folder(above)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn same(one: &File, other: File) -> io::Result<bool> {
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (
        io::BufReader::new(one).bytes(),
        io::BufReader::new(other).bytes(),
    );
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (a, b) if a != b => return Ok(false),
            _ => {}
        }
    }
}
