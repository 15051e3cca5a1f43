//! How a file looked when its keys were read, so that a running process sees that they
//! changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How a file looked: where its name led, how long it was, when it was written.
///
/// Kubernetes never writes into a mounted secret: it makes a new folder and swaps the
/// symbolic link `..data`, so that the name leads elsewhere. An editor or a deployment
/// puts a new file in the old one's place, or writes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The file's name.
    path: PathBuf,
    /// `None`: it could not be looked at.
    seen: Option<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Where the name leads, without symbolic links.
    leads_to: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and the seconds and nanoseconds of its last change of any kind,
    /// which no program sets at will.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    /// The file of this name as it is now.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: look(path),
        }
    }

    /// Whether the file still looks like this. A file that could not be looked at is
    /// the same for as long as it cannot.
    #[must_use]
    pub fn is_current(&self) -> bool {
        look(&self.path) == self.seen
    }
}

fn look(path: &Path) -> Option<Seen> {
    let leads_to = fs::canonicalize(path).ok()?;
    let metadata = fs::metadata(&leads_to).ok()?;
    Some(Seen {
        length: metadata.len(),
        modified: metadata.modified().ok(),
        #[cfg(unix)]
        inode: {
            use std::os::unix::fs::MetadataExt as _;
            (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            )
        },
        leads_to,
    })
}
