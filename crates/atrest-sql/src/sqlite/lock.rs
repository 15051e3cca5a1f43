//! The run lock: an exclusive lock on the file `<database>.atrest-lock`, which
//! the operating system lets go when the process dies.
//!
//! One file stands for the whole database, since SQLite has one writer; inside
//! a process several names may be locked at once through one connection.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use atrest_engine::target::{Lock, TargetError};

use crate::error::DriverError;

/// The locks that this connection holds.
pub(super) struct Locks {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    file: Option<File>,
    names: HashSet<String>,
}

impl Locks {
    /// None held yet; `path` is the lock file.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock on `name`, or [`TargetError::Busy`] at once.
    pub(super) fn take(self: &Arc<Self>, name: &str) -> Result<SqliteLock, TargetError> {
        let mut held = self.held();
        if held.names.contains(name) {
            return Err(TargetError::Busy {
                what: name.to_owned(),
            });
        }
        if held.file.is_none() {
            held.file = Some(take_file(&self.path, name)?);
        }
        held.names.insert(name.to_owned());
        Ok(SqliteLock {
            locks: Arc::clone(self),
            name: name.to_owned(),
        })
    }
}

/// Opens and locks the file. Another process may remove it between our opening
/// and our locking it, so the lock counts only if the path still leads to what
/// was locked.
fn take_file(path: &Path, name: &str) -> Result<File, TargetError> {
    let denied = |e: std::io::Error| TargetError::Permission {
        what: format!("the lock file {}", path.display()),
        next: "give this user the right to write in the database's folder (SQLite needs it too)"
            .to_owned(),
        source: Box::new(e),
    };
    for _ in 0..100 {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(denied)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TargetError::Busy {
                    what: name.to_owned(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(denied(e)),
        }
    }
    Err(TargetError::Busy {
        what: name.to_owned(),
    })
}

/// Whether `path` leads to the open `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Whether `path` leads to the open `file`: elsewhere an open file cannot be
/// removed.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// One held name.
pub(super) struct SqliteLock {
    locks: Arc<Locks>,
    name: String,
}

#[async_trait]
impl Lock for SqliteLock {
    async fn check(&mut self) -> Result<(), TargetError> {
        let held = self.locks.held();
        match &held.file {
            Some(file) if is_at(file, &self.locks.path) => Ok(()),
            _ => Err(TargetError::Connection {
                what: format!("the lock file {}", self.locks.path.display()),
                source: DriverError::new("it was removed or replaced while the run held it"),
            }),
        }
    }
}

impl Drop for SqliteLock {
    fn drop(&mut self) {
        let mut held = self.locks.held();
        held.names.remove(&self.name);
        if !held.names.is_empty() {
            return;
        }
        if let Some(file) = held.file.take() {
            // Removed while it is still locked, so that nobody else's is.
            if cfg!(unix) && is_at(&file, &self.locks.path) {
                let _ = std::fs::remove_file(&self.locks.path);
            }
            let _ = file.unlock();
        }
    }
}
