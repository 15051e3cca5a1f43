//! Writing a backup: append, make durable, only then change rows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atrest_core::{Keyring, hazmat};
use zeroize::Zeroize;

use super::{BackupError, BackupReader, HEADER_LEN, Header, MAGIC, NONCE_LEN, TAG_LEN, codec, io};
use crate::journal::BackupRef;
use crate::target::{RowKey, Value};

/// A run that ends, or dies, lets go of its file within this many pauses.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// An open backup file. Several workers append to it.
pub struct BackupWriter {
    path: PathBuf,
    header: Header,
    cipher: hazmat::Xaes256Gcm,
    sync: File,
    state: Mutex<State>,
}

struct State {
    file: File,
    len: u64,
    frames: u64,
    frame: Vec<u8>,
}

impl std::fmt::Debug for BackupWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BackupWriter {
    /// Makes a new file, mode 0600, under the primary key; durable when it returns.
    ///
    /// # Errors
    /// [`BackupError::Exists`] when the path is taken; the file system's.
    pub fn create(path: &Path, keyring: &Keyring) -> Result<Self, BackupError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| {
                if e.kind() == std::io::ErrorKind::AlreadyExists {
                    BackupError::Exists {
                        path: path.to_owned(),
                    }
                } else {
                    io("create", path, e)
                }
            })?;
        lock(&file, path)?;
        let links = file.metadata().map_or(1, |meta| meta.nlink());
        if links == 0 {
            // Another run took it for a left-over before it was locked.
            return Err(BackupError::InUse {
                path: path.to_owned(),
            });
        }
        let random = |bytes: &mut [u8]| {
            aws_lc_rs::rand::fill(bytes).map_err(|_| BackupError::Random {
                path: path.to_owned(),
            })
        };
        let mut file_id = [0; 16];
        random(&mut file_id)?;
        let header = Header::new(keyring.primary().id(), file_id);
        let durable = |file: &mut File| {
            file.write_all(&header.0)?;
            file.sync_all()?;
            // The name itself must survive a crash too.
            let folder = path
                .parent()
                .filter(|p| !p.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        };
        durable(&mut file).map_err(|e| io("write", path, e))?;
        Self::new(path, keyring, header, file, HEADER_LEN as u64, 0)
    }

    /// Opens an interrupted run's file: proves every frame, cuts a torn last one.
    /// `known` bytes of it are known to have been durable.
    ///
    /// # Errors
    /// As [`BackupReader`]; [`BackupError::Cut`] when fewer than `known` bytes are
    /// proven, and the file is left as it is (a damaged length in its middle looks
    /// like a torn end, and what follows it must not be cut away); the file system's.
    pub fn reopen(path: &Path, keyring: &Keyring, known: u64) -> Result<Self, BackupError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| io("open", path, e))?;
        let mut patience = LOCK_TRIES;
        while let Err(in_use) = lock(&file, path) {
            patience -= 1;
            if patience == 0 {
                return Err(in_use);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        let mut reader = BackupReader::open(path, keyring)?;
        while reader.next_page()?.is_some() {}
        let (header, len, frames) = (reader.header(), reader.offset(), reader.frames());
        if len < known {
            return Err(BackupError::Cut {
                path: path.to_owned(),
                len,
                known,
            });
        }
        file.set_len(len)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|e| io("write", path, e))?;
        Self::new(path, keyring, header, file, len, frames)
    }

    fn new(
        path: &Path,
        keyring: &Keyring,
        header: Header,
        file: File,
        len: u64,
        frames: u64,
    ) -> Result<Self, BackupError> {
        let cipher = header
            .cipher(keyring)
            .ok_or_else(|| BackupError::UnknownKey {
                path: path.to_owned(),
                key: header.key(),
            })?;
        let sync = file.try_clone().map_err(|e| io("open", path, e))?;
        let state = Mutex::new(State {
            file,
            len,
            frames,
            frame: Vec::new(),
        });
        Ok(Self {
            path: path.to_owned(),
            header,
            cipher,
            sync,
            state,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as the journal writes it down.
    #[must_use]
    pub fn reference(&self) -> BackupRef {
        let len = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len;
        BackupRef {
            path: self.path.clone(),
            id: self.header.file_id(),
            len,
        }
    }

    /// Appends a page of originals and makes it durable; gives the file's length
    /// up to and with the page. Blocks.
    ///
    /// # Errors
    /// The file system's; the file then ends where it ended before.
    pub fn append(
        &self,
        target: &str,
        pass: u32,
        rows: &[(&RowKey, &Value)],
    ) -> Result<u64, BackupError> {
        let len = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.append_frame(&mut state, target, pass, rows)?;
            state.len
        };
        // Outside the lock: workers share the disk's flushes.
        self.sync
            .sync_data()
            .map_err(|e| io("write", &self.path, e))?;
        Ok(len)
    }

    fn append_frame(
        &self,
        state: &mut State,
        target: &str,
        pass: u32,
        rows: &[(&RowKey, &Value)],
    ) -> Result<(), BackupError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| BackupError::Random {
            path: self.path.clone(),
        })?;
        let State {
            file,
            len,
            frames,
            frame,
        } = state;
        frame.clear();
        codec::encode(target, pass, rows, frame);
        let too_long = || {
            io(
                "write",
                &self.path,
                std::io::Error::from(std::io::ErrorKind::FileTooLarge),
            )
        };
        self.cipher
            .seal_in_place_append_tag(&nonce, &self.header.aad(*frames), frame)
            .map_err(|_| too_long())?;
        let prefix = u32::try_from(frame.len())
            .map_err(|_| too_long())?
            .to_be_bytes();
        let written = file
            .write_all(&prefix)
            .and_then(|()| file.write_all(&nonce))
            .and_then(|()| file.write_all(frame));
        if let Err(error) = written {
            // Best effort: a torn frame is also cut when the file is opened again.
            let _ = file
                .set_len(*len)
                .and_then(|()| file.seek(SeekFrom::Start(*len)));
            return Err(io("write", &self.path, error));
        }
        *len += (prefix.len() + NONCE_LEN + frame.len()) as u64;
        *frames += 1;
        if frame.capacity() > 64 << 20 {
            frame.zeroize();
            *frame = Vec::new();
        }
        debug_assert!(frame.is_empty() || frame.len() >= TAG_LEN);
        Ok(())
    }
}

/// The backup files of one command: made when the first row is about to change,
/// and shared by the columns.
#[derive(Debug)]
pub struct Backups {
    keyring: Keyring,
    fresh: Option<PathBuf>,
    explicit: bool,
    open: Mutex<BTreeMap<PathBuf, Arc<BackupWriter>>>,
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

    /// The writer for a file: the one already open, an interrupted run's (of which
    /// `resume` bytes are known to have been durable), or new.
    pub(crate) fn writer(
        &self,
        path: &Path,
        resume: Option<u64>,
    ) -> Result<Arc<BackupWriter>, BackupError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = open.get(path) {
            let (len, known) = (writer.reference().len, resume.unwrap_or(0));
            if len < known {
                let path = path.to_owned();
                return Err(BackupError::Cut { path, len, known });
            }
            return Ok(Arc::clone(writer));
        }
        let writer = match resume {
            Some(known) if path.exists() => BackupWriter::reopen(path, &self.keyring, known)?,
            _ => {
                remove_empty(path);
                BackupWriter::create(path, &self.keyring)?
            }
        };
        let writer = Arc::new(writer);
        open.insert(path.to_owned(), Arc::clone(&writer));
        Ok(writer)
    }

    /// The operator named a file that is not `path`.
    pub(crate) fn explicit_other_than(&self, path: &Path) -> bool {
        self.explicit && self.fresh.as_deref() != Some(path)
    }

    /// The references brought up to date with what was written since; files
    /// without a page are left out.
    pub(crate) fn references(&self, known: &[BackupRef]) -> Vec<BackupRef> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.iter().map(|r| {
            open.get(&r.path)
                .map_or_else(|| r.clone(), |w| w.reference())
        });
        fresh.filter(|r| r.len > HEADER_LEN as u64).collect()
    }

    /// To be called when every column is done: removes files that no page went to,
    /// and gives the others.
    #[must_use]
    pub fn finish(&self) -> Vec<PathBuf> {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        let (used, empty): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|(_, w)| w.reference().len > HEADER_LEN as u64);
        for (path, _) in empty {
            // An empty file left behind harms nobody.
            let _ = std::fs::remove_file(path);
        }
        used.into_iter().map(|(path, _)| path).collect()
    }
}

/// Removes a file of ours that no page went to: a crash between making it and
/// writing it into the journal leaves one, and nothing is in it.
fn remove_empty(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let mut bytes = Vec::new();
    let whole = (&file)
        .take(HEADER_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .is_ok();
    let shown = bytes.len().min(MAGIC.len());
    let ours = bytes[..shown] == MAGIC[..shown] && bytes.len() <= HEADER_LEN;
    if whole && ours && lock(&file, path).is_ok() {
        // If it cannot be removed, creating it says why.
        let _ = std::fs::remove_file(path);
    }
}

/// Two runs must never append to one file. The lock goes with the open file, also
/// when the process dies; where the file system has no locks, the run lock in the
/// database is what there is.
fn lock(file: &File, path: &Path) -> Result<(), BackupError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse {
            path: path.to_owned(),
        }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
