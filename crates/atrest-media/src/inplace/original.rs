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

impl Drop for Named {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Original {
    /// One that is to be at `to`; folders above it are made.
    pub(crate) fn new(to: PathBuf) -> io::Result<Self> {
        if let Ok(there) = File::open(&to) {
            let is = Is::There(BufReader::new(there));
            return Ok(Self { to, is });
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
        Ok(Self { to, is })
    }

    /// All of it was written.
    pub(crate) fn keep(self) -> io::Result<()> {
        match self.is {
            Is::New(named) => {
                reached(Point::OriginalCopied);
                named.file.sync_all()?;
                reached(Point::OriginalSynced);
                fs::rename(&named.path, &self.to)?;
                reached(Point::OriginalNamed);
            }
            Is::There(mut there) => {
                if there.read(&mut [0])? > 0 {
                    return Err(other(&self.to));
                }
            }
        }
        // Whoever named one that was there may have been killed before that was durable.
        sync_folder(above(&self.to))?;
        reached(Point::OriginalFolderSynced);
        Ok(())
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
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
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
