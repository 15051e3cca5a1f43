//! The backup files of one command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atrest_core::Keyring;

use super::{BackupError, BackupReader, BackupWriter, Known, Origin, START};
use crate::journal::BackupRef;

/// The backup files of one command (one operation on one database): made when the
/// first row is about to change, and shared by the columns.
#[derive(Debug)]
pub struct Backups {
    keyring: Keyring,
    fresh: Option<PathBuf>,
    explicit: bool,
    open: Mutex<BTreeMap<PathBuf, Arc<BackupWriter>>>,
}

/// Where a new run's originals go.
pub(crate) enum Joined {
    /// A new file, or one that this command writes already.
    New(Arc<BackupWriter>),
    /// The file of an earlier run of the same operation.
    Earlier(Arc<BackupWriter>),
}

impl Backups {
    /// New originals go to `fresh`; `None`: no backup is kept (asked for).
    /// `explicit`: the operator named the file, so an interrupted run uses it too.
    #[must_use]
    pub fn new(keyring: &Keyring, fresh: Option<PathBuf>, explicit: bool) -> Self {
        Self {
            keyring: keyring.clone(),
            fresh,
            explicit,
            open: Mutex::default(),
        }
    }

    /// Where a new run's originals go.
    #[must_use]
    pub fn fresh(&self) -> Option<&Path> {
        self.fresh.as_deref()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<BackupWriter>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a new run: the file at `path`, made if it is not there. One that is there
    /// must be of the same origin and key; `known` says what the journal knows of it.
    pub(crate) fn join(
        &self,
        path: &Path,
        origin: Origin,
        known: &dyn Fn(&str) -> Known,
    ) -> Result<Joined, BackupError> {
        let mut open = self.open();
        if let Some(writer) = open.get(path) {
            // One command, whatever became of the journal since its first column.
            return Ok(Joined::New(Arc::clone(writer)));
        }
        let (writer, earlier) = if path.symlink_metadata().is_err() {
            (BackupWriter::create(path, &self.keyring, origin)?, false)
        } else if let Some(writer) = BackupWriter::take_over(path, &self.keyring, origin)? {
            (writer, false)
        } else {
            let writer = BackupWriter::join(path, &self.keyring, origin, known)?;
            (writer, true)
        };
        let writer = Arc::new(writer);
        open.insert(path.to_owned(), Arc::clone(&writer));
        Ok(if earlier {
            Joined::Earlier(writer)
        } else {
            Joined::New(writer)
        })
    }

    /// For a run that is taken up: its file, of which `known` bytes were durable.
    pub(crate) fn resume(
        &self,
        path: &Path,
        id: &str,
        known: u64,
    ) -> Result<Arc<BackupWriter>, BackupError> {
        let mut open = self.open();
        if let Some(writer) = open.get(path) {
            let BackupRef { path, id: its, len } = writer.reference();
            if its != id {
                return Err(BackupError::Exchanged { path });
            }
            if len < known {
                return Err(BackupError::Cut { path, len, known });
            }
            return Ok(Arc::clone(writer));
        }
        let writer = Arc::new(BackupWriter::reopen(path, &self.keyring, id, known)?);
        open.insert(path.to_owned(), Arc::clone(&writer));
        Ok(writer)
    }

    /// The file at `path` is there, and carries this id.
    pub(crate) fn is_there(&self, path: &Path, id: &str) -> bool {
        if let Some(writer) = self.open().get(path) {
            return writer.reference().id == id;
        }
        BackupReader::open(path, &self.keyring).is_ok_and(|reader| reader.id() == id)
    }

    /// The operator named a file that is not `path`.
    pub(crate) fn explicit_other_than(&self, path: &Path) -> bool {
        self.explicit && self.fresh.as_deref() != Some(path)
    }

    /// The references brought up to date with what was written since; files
    /// without a page are left out.
    pub(crate) fn references(&self, known: &[BackupRef]) -> Vec<BackupRef> {
        let open = self.open();
        let fresh = known.iter().map(|r| {
            open.get(&r.path)
                .map_or_else(|| r.clone(), |w| w.reference())
        });
        fresh.filter(|r| r.len > START as u64).collect()
    }

    /// To be called when every column is done, or the command cannot go on: discards
    /// files that no page went to, closes the others, and gives them.
    #[must_use]
    pub fn finish(&self) -> Vec<PathBuf> {
        let open = std::mem::take(&mut *self.open());
        let (used, empty): (BTreeMap<_, _>, BTreeMap<_, _>) = open
            .into_iter()
            .partition(|(_, w)| w.reference().len > START as u64);
        for writer in empty.values() {
            writer.discard();
        }
        for writer in used.values() {
            // Every page is durable. A file that cannot be closed says so itself,
            // whenever it is read.
            let _ = writer.close();
        }
        used.into_keys().collect()
    }
}
