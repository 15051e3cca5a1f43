//! Taking over the files of an earlier system.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use atrest_core::Keyring;

use super::place::Source;
use crate::inplace::{Failure, temporary};
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
}

/// A durable copy of a whole file, which appears whole. One that is there already is
/// the same, or an error.
fn copy(mut from: &File, to: &Path) -> io::Result<()> {
    io::Seek::rewind(&mut from)?;
    if let Ok(there) = File::open(to) {
        let same = same(from, there)?;
        io::Seek::rewind(&mut from)?;
        return match same {
            true => Ok(()),
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
    fs::create_dir_all(folder)?;
    let temporary = folder.join(temporary());
    let mut options = File::options();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            io::copy(&mut from, &mut file)?;
            file.sync_all()?;
            fs::rename(&temporary, to)?;
            File::open(folder)?.sync_all()
        });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    io::Seek::rewind(&mut from)?;
    written
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
