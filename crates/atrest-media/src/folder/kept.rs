use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files that are never changed: by what they are, and by where they are, since a
/// database makes its journals anew.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: BTreeSet<(u64, u64)>,
    /// Below the root.
    paths: BTreeSet<PathBuf>,
}

impl Kept {
    /// Keeps the file at `path`, which may not be there.
    pub(super) fn keep(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        if let Some(about) = there(fs::metadata(path))? {
            self.files.insert((about.dev(), about.ino()));
        }
        self.paths.extend(below(root, path)?);
        Ok(())
    }

    /// Whether this file, at `path` below the root, is kept.
    pub(super) fn holds(&self, path: &Path, about: &Metadata) -> bool {
        self.files.contains(&(about.dev(), about.ino())) || self.paths.contains(path)
    }
}

/// The path below the root of what has, or would have, this path.
pub(super) fn below(root: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (Some(root), Some(name)) = (there(fs::canonicalize(root))?, path.file_name()) else {
        return Ok(None);
    };
    let path = resolved(folder)?.join(name);
    Ok(path.strip_prefix(&root).ok().map(Path::to_owned))
}

/// The folder with every link followed; what is not there yet, as it is written.
fn resolved(folder: &Path) -> io::Result<PathBuf> {
    if let Some(there) = there(fs::canonicalize(folder))? {
        return Ok(there);
    }
    match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) if parent.as_os_str().is_empty() => {
            Ok(resolved(Path::new("."))?.join(name))
        }
        (Some(parent), Some(name)) => Ok(resolved(parent)?.join(name)),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
