//! Writing a backup: append, make durable, only then change rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use atrest_core::{Keyring, fill_random, hazmat};
use zeroize::Zeroize;

use super::open::is_at;
use super::{BackupError, HEADER_LEN, Header, NONCE_LEN, TAG_LEN, codec, io, mark};
use crate::journal::BackupRef;
use crate::target::{RowKey, Value};

/// An open backup file. Several workers append to it.
pub struct BackupWriter {
    path: PathBuf,
    header: Header,
    cipher: hazmat::Xaes256Gcm,
    state: Mutex<State>,
    disk: Mutex<Disk>,
    /// What makes a file durable.
    pub(super) flush: fn(&File) -> std::io::Result<()>,
}

/// One flush at a time: the system reports a failed one once, and whoever flushes next
/// is told that all is well.
struct Disk {
    file: File,
    /// So many bytes are durable.
    len: u64,
}

pub(super) struct State {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) frames: u64,
    /// The highest pass of each target.
    pub(super) passes: BTreeMap<String, u32>,
    /// It was there, and held nothing, before us.
    pub(super) found: bool,
    /// The mark is set.
    pub(super) closed: bool,
    /// The disk failed: nothing more is written to the file, nor called durable.
    pub(super) failed: bool,
    pub(super) frame: Vec<u8>,
}

impl std::fmt::Debug for BackupWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl BackupWriter {
    pub(super) fn new(
        path: &Path,
        keyring: &Keyring,
        header: Header,
        state: State,
    ) -> Result<Self, BackupError> {
        let cipher = header.cipher(keyring, path)?;
        let file = state.file.try_clone().map_err(|e| io("open", path, e))?;
        let disk = Disk {
            file,
            len: state.len,
        };
        Ok(Self {
            path: path.to_owned(),
            header,
            cipher,
            state: Mutex::new(state),
            disk: Mutex::new(disk),
            flush: File::sync_data,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken before the state where both are.
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, of a file whose disk did not fail.
    fn sound(&self) -> Result<MutexGuard<'_, State>, BackupError> {
        let state = self.state();
        if state.failed {
            return Err(BackupError::Failed {
                path: self.path.clone(),
            });
        }
        Ok(state)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as the journal writes it down.
    #[must_use]
    pub fn reference(&self) -> BackupRef {
        BackupRef {
            path: self.path.clone(),
            id: self.header.file_id(),
            len: self.state().len,
        }
    }

    /// A pass above every one that the file holds of this target: what is appended
    /// under it counts before all that is there.
    pub(crate) fn next_pass(&self, target: &str) -> u32 {
        let state = self.state();
        state.passes.get(target).map_or(0, |p| p.saturating_add(1))
    }

    /// Sets the mark: the file is whole, and any other length of it is damage. A
    /// file whose disk failed gets none.
    ///
    /// # Errors
    /// The file system's; the file then is as readable as one that a crash left.
    pub fn close(&self) -> Result<(), BackupError> {
        let mut disk = self.disk();
        let state = &mut *self.state();
        if state.closed || state.failed {
            return Ok(());
        }
        let mark = mark::closed(&self.cipher, &self.header, state.len).ok_or_else(|| {
            BackupError::Random {
                path: self.path.clone(),
            }
        })?;
        (self.flush)(&disk.file)
            .and_then(|()| state.file.write_all_at(&mark, HEADER_LEN as u64))
            .and_then(|()| (self.flush)(&disk.file))
            .map_err(|e| {
                state.failed = true;
                io("close", &self.path, e)
            })?;
        disk.len = state.len;
        state.closed = true;
        Ok(())
    }

    /// For a file that no page went to: gone if it is ours, empty again if it was there
    /// before us. What came in its place since stays.
    pub(super) fn discard(&self) {
        let state = self.state();
        // An empty file left behind harms nobody.
        let _ = if state.found {
            state.file.set_len(0)
        } else if is_at(&state.file, &self.path) {
            std::fs::remove_file(&self.path)
        } else {
            Ok(())
        };
    }

    /// Appends a page of originals and makes it durable; gives the file's length
    /// up to and with the page. Blocks.
    ///
    /// # Errors
    /// The file system's; the file then ends where it ended before. After a failed
    /// flush, or when a torn page cannot be taken away, [`BackupError::Failed`] for
    /// every page that is not durable yet and for every later one.
    pub fn append(
        &self,
        target: &str,
        pass: u32,
        sealed: bool,
        rows: &[(&RowKey, &Value)],
    ) -> Result<u64, BackupError> {
        let len = self.write(target, pass, sealed, rows)?;
        self.sync(len)?;
        Ok(len)
    }

    /// Appends a page; gives the file's length then.
    pub(super) fn write(
        &self,
        target: &str,
        pass: u32,
        sealed: bool,
        rows: &[(&RowKey, &Value)],
    ) -> Result<u64, BackupError> {
        let mut state = self.sound()?;
        self.append_frame(&mut state, target, pass, sealed, rows)?;
        Ok(state.len)
    }

    /// Makes the file durable up to `len`, and with it what other workers wrote until
    /// now: they find it done.
    pub(super) fn sync(&self, len: u64) -> Result<(), BackupError> {
        let mut disk = self.disk();
        if disk.len >= len {
            return Ok(());
        }
        let written = self.sound()?.len;
        if let Err(error) = (self.flush)(&disk.file) {
            let mut state = self.state();
            state.failed = true;
            state.len = disk.len;
            // The system still shows what the disk may have lost. It goes, so that
            // nobody builds on it; no row of it was changed. Best effort: whoever
            // opens the file again asks the disk itself.
            let _ = disk.file.set_len(disk.len);
            return Err(io("write", &self.path, error));
        }
        disk.len = written;
        Ok(())
    }

    fn append_frame(
        &self,
        state: &mut State,
        target: &str,
        pass: u32,
        sealed: bool,
        rows: &[(&RowKey, &Value)],
    ) -> Result<(), BackupError> {
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce).map_err(|_| BackupError::Random {
            path: self.path.clone(),
        })?;
        let State {
            file,
            len,
            frames,
            passes,
            closed,
            failed,
            frame,
            ..
        } = state;
        if *closed {
            // Durable before the file grows: a mark tells one length.
            file.write_all_at(&mark::OPEN, HEADER_LEN as u64)
                .and_then(|()| (self.flush)(file))
                .map_err(|e| {
                    *failed = true;
                    io("write", &self.path, e)
                })?;
            *closed = false;
        }
        frame.clear();
        codec::encode(target, pass, sealed, rows, frame);
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
            // A torn frame is also cut when the file is opened again. Until then
            // nothing may follow it.
            *failed = file
                .set_len(*len)
                .and_then(|()| file.seek(SeekFrom::Start(*len)))
                .is_err();
            return Err(io("write", &self.path, error));
        }
        *len += (prefix.len() + NONCE_LEN + frame.len()) as u64;
        *frames += 1;
        raise(passes, target, pass);
        if frame.capacity() > 64 << 20 {
            frame.zeroize();
            *frame = Vec::new();
        }
        debug_assert!(frame.is_empty() || frame.len() >= TAG_LEN);
        Ok(())
    }
}

pub(super) fn raise(passes: &mut BTreeMap<String, u32>, target: &str, pass: u32) {
    match passes.get_mut(target) {
        Some(highest) => *highest = pass.max(*highest),
        None => {
            passes.insert(target.to_owned(), pass);
        }
    }
}
