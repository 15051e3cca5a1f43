use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use super::temporary;
use crate::failpoints::{Point, reached};

/// What is being done, for errors.
pub(crate) const KEEPING: &str = "keeping the original";

/// A copy of a file, which appears whole and durably when all of it was written and
/// [`keep`](Self::keep) is called. Where one is already, what is written must be the same.
pub(crate) struct Original {
    /// The folder of all originals.
    root: PathBuf,
    to: PathBuf,
    is: Is,
}

enum Is {
    /// Under a temporary name.
    New(Named),
    /// There, from where it was not compared so far.
    There(BufReader<File>),
}

/// Removed when dropped; there is nothing to remove once it has its name.
struct Named {
    path: PathBuf,
    file: File,
}

impl Named {
    /// Gives it its name, unless something came to have that meanwhile, which must be the
    /// same then: of two names that a disk takes for one, say.
    fn publish(&self, to: &Path) -> io::Result<()> {
        match fs::hard_link(&self.path, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut there = Original {
                    root: PathBuf::new(),
                    to: to.to_owned(),
                    is: Is::There(BufReader::new(File::open(to)?)),
                };
                io::copy(&mut BufReader::new(File::open(&self.path)?), &mut there)?;
                there.ends()
            }
            // Where files have one name only.
            Err(_) => fs::rename(&self.path, to),
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Original {
    /// One that is to be at `path` below `root`; folders above it are made.
    pub(crate) fn new(root: PathBuf, path: &Path) -> io::Result<Self> {
        let to = root.join(path);
        match File::open(&to) {
            Ok(there) => {
                let is = Is::There(BufReader::new(there));
                return Ok(Self { root, to, is });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let folder = above(&to);
        make_folder(folder)?;
        reached(Point::OriginalFolderMade);
        let path = folder.join(temporary());
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        // Where files cannot be locked, nothing holds it.
        let _ = file.try_lock();
        reached(Point::OriginalMade);
        let is = Is::New(Named { path, file });
        Ok(Self { root, to, is })
    }

    /// All of it was written.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        match &mut self.is {
            Is::New(named) => {
                reached(Point::OriginalCopied);
                named.file.sync_all()?;
                reached(Point::OriginalSynced);
                named.publish(&self.to)?;
                reached(Point::OriginalNamed);
            }
            Is::There(_) => self.ends()?,
        }
        // All that lead to it: whoever made one, or named what was there, may have been
        // killed before that was durable, or be about to.
        for folder in self.to.ancestors().skip(1) {
            sync_folder(here(folder))?;
            if !folder.starts_with(&self.root) {
                break;
            }
        }
        reached(Point::OriginalFolderSynced);
        Ok(())
    }
}

impl Original {
    /// What is there has no more than was written.
    fn ends(&mut self) -> io::Result<()> {
        let Is::There(there) = &mut self.is else {
            return Ok(());
        };
        match there.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(other(&self.to)),
        }
    }
}

impl Write for Original {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.is {
            Is::New(named) => named.file.write(bytes),
            Is::There(there) => {
                let mut same = vec![0; bytes.len()];
                match there.read_exact(&mut same) {
                    Ok(()) if same == bytes => Ok(bytes.len()),
                    Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
                    _ => Err(other(&self.to)),
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn other(path: &Path) -> io::Error {
    let path = path.display();
    let why = format!("{path} is there with other bytes; name another folder");
    io::Error::new(io::ErrorKind::AlreadyExists, why)
}

/// The folder of a file.
fn above(path: &Path) -> &Path {
    here(path.parent().unwrap_or(path))
}

/// The folder at hand, of which a path says nothing.
fn here(folder: &Path) -> &Path {
    match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    }
}

/// Makes a folder, and those above it, durably.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = above(path);
    make_folder(above)?;
    match fs::create_dir(path) {
        // By another worker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_folder(above)
}

/// Where a folder is a file that can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(path)?.sync_all(),
        false => Ok(()),
    }
}
