//! Reading a backup, frame by frame, each proven before any of it is used.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use atrest_core::{KeyId, Keyring, hazmat};
use zeroize::Zeroizing;

use super::open::open_regular;
use super::{
    BackupError, BackupPage, HEADER_LEN, Header, NONCE_LEN, START, TAG_LEN, codec, io, mark,
};

/// An open backup file; pages come in the order they were written.
pub struct BackupReader {
    path: PathBuf,
    header: Header,
    cipher: hazmat::Xaes256Gcm,
    file: BufReader<File>,
    len: u64,
    offset: u64,
    frames: u64,
    closed: bool,
    torn: bool,
}

impl std::fmt::Debug for BackupReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupReader")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl BackupReader {
    /// Opens a file and checks its header and its mark.
    ///
    /// # Errors
    /// [`BackupError::NotABackup`], [`BackupError::UnknownKey`]; for a closed file
    /// that is not whole [`BackupError::Forged`] and [`BackupError::Length`]; the
    /// file system's.
    pub fn open(path: &Path, keyring: &Keyring) -> Result<Self, BackupError> {
        let not_ours = || BackupError::NotABackup {
            path: path.to_owned(),
        };
        let file = open_regular(OpenOptions::new().read(true), path)
            .map_err(|e| io("read", path, e))?
            .ok_or_else(not_ours)?;
        let len = file.metadata().map_err(|e| io("read", path, e))?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut bytes = [0; START];
        file.read_exact(&mut bytes).map_err(|e| {
            if e.kind() == ErrorKind::UnexpectedEof {
                not_ours()
            } else {
                io("read", path, e)
            }
        })?;
        let (Some(&header), Some(mark)) = (
            bytes.first_chunk::<HEADER_LEN>(),
            bytes.last_chunk::<{ mark::LEN }>(),
        ) else {
            return Err(not_ours());
        };
        let header = Header::parse(header).ok_or_else(not_ours)?;
        let cipher = header.cipher(keyring, path)?;
        let closed = mark::read(&cipher, &header, mark).ok_or_else(|| BackupError::Forged {
            path: path.to_owned(),
            offset: HEADER_LEN as u64,
        })?;
        if let Some(closed) = closed.filter(|closed| *closed != len) {
            let path = path.to_owned();
            return Err(BackupError::Length { path, len, closed });
        }
        Ok(Self {
            path: path.to_owned(),
            header,
            cipher,
            file,
            len,
            offset: START as u64,
            frames: 0,
            closed: closed.is_some(),
            torn: false,
        })
    }

    /// The next page; `None` at the end, or where a crash tore the last frame of a
    /// file that was not closed.
    ///
    /// # Errors
    /// [`BackupError::Forged`] when a frame does not authenticate; the file system's.
    pub fn next_page(&mut self) -> Result<Option<BackupPage>, BackupError> {
        let left = self.len - self.offset;
        if left == 0 || self.torn {
            return Ok(None);
        }
        let mut prefix = [0; 4 + NONCE_LEN];
        let Some(left) = left.checked_sub(prefix.len() as u64) else {
            return self.tear();
        };
        self.file
            .read_exact(&mut prefix)
            .map_err(|e| io("read", &self.path, e))?;
        let (&len, &nonce) = match (prefix.first_chunk::<4>(), prefix.last_chunk::<NONCE_LEN>()) {
            (Some(len), Some(nonce)) => (len, nonce),
            _ => return Err(self.forged()),
        };
        let len = u64::from(u32::from_be_bytes(len));
        if len > left {
            return self.tear();
        }
        if len < TAG_LEN as u64 {
            return Err(self.forged());
        }
        // Bounded by what the file holds.
        let len_here = usize::try_from(len).map_err(|_| self.forged())?;
        let mut frame = Zeroizing::new(vec![0; len_here]);
        self.file
            .read_exact(&mut frame)
            .map_err(|e| io("read", &self.path, e))?;
        let content = self
            .cipher
            .open_in_place(&nonce, &self.header.aad(self.frames), &mut frame)
            .map_err(|_| self.forged())?;
        let page = frame
            .get(..content)
            .and_then(codec::decode)
            .ok_or_else(|| self.forged())?;
        self.offset += prefix.len() as u64 + len;
        self.frames += 1;
        Ok(Some(page))
    }

    /// Its writer closed it, and it is as long as it was then. A file that is not
    /// closed is being written, or its writer died: where it ends, more may have
    /// been.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// The last frame is incomplete: a crash, or somebody cut the file.
    #[must_use]
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// The file's length, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// No frame in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len <= START as u64
    }

    /// How far reading has come, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The id in the header, hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        self.header.file_id()
    }

    /// The key that it was written under.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.header.key()
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    fn tear(&mut self) -> Result<Option<BackupPage>, BackupError> {
        if self.closed {
            return Err(self.forged());
        }
        self.torn = true;
        Ok(None)
    }

    fn forged(&self) -> BackupError {
        BackupError::Forged {
            path: self.path.clone(),
            offset: self.offset,
        }
    }
}
