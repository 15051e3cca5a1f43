//! The backup: an encrypted file with the original values, durable before the
//! first row of a page changes. Its format stands in spec/backup.md.
//!
//! ```text
//! file   = header(48) mark(48) frame*
//! header = "ATRESTBK" | 0x01 | suite 0x01 | key id (4) | zero (2) | file id (16) | origin (16)
//! mark   = zero (48), or: length64 | nonce (24) | tag of header ‖ "closed" ‖ length64
//! frame  = len32(sealed) | nonce (24) | sealed
//! sealed = XAES-256-GCM[HKDF(key, "atrest/v1/backup"), nonce, header ‖ number64](content)
//! ```
//!
//! A frame's number is its place in the file, so frames cannot be moved, dropped
//! from the middle or taken from another file. The mark is set when the file is
//! whole: it is then exactly `length` bytes long, and anything else is damage. In a
//! file without a mark a torn last frame is what a crash leaves: its rows were not
//! changed yet.

mod codec;
mod files;
mod mark;
pub mod name;
mod needs;
mod open;
mod origin;
mod read;
mod write;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use atrest_core::{KeyId, Keyring, Purpose, hazmat};

use crate::target::{RowKey, Value};

pub use files::Backups;
pub(crate) use files::Joined;
pub use needs::BackupNeeds;
pub(crate) use open::Known;
pub use origin::Origin;
pub use read::BackupReader;
pub use write::BackupWriter;

/// The id in the header of a file that begins as a backup does, hexadecimal; `None`: it does
/// not. Nothing is proven by it.
///
/// # Errors
/// The file system's.
pub fn id_of(path: &Path) -> std::io::Result<Option<String>> {
    let regular = open::open_regular(OpenOptions::new().read(true), path)?;
    let Some(mut file) = regular else {
        return Ok(None);
    };
    let mut header = [0; HEADER_LEN];
    match file.read_exact(&mut header) {
        Ok(()) => Ok(Header::parse(header).map(|header| header.file_id())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

const MAGIC: &[u8; 8] = b"ATRESTBK";
const HEADER_LEN: usize = 48;
/// Where the first frame begins: behind the header and the mark.
const START: usize = HEADER_LEN + mark::LEN;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// The original values of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPage {
    /// "table.column".
    pub target: String,
    /// The pass: of several entries for one row the one of the highest pass counts.
    pub pass: u32,
    /// The values are tokens under the keys of the rows' subjects, in the bytes form and
    /// in the column's context, each in the kind of value that it opens to.
    pub sealed: bool,
    /// Keys and values, in key order.
    pub rows: Vec<(RowKey, Value)>,
}

/// Why a backup cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file system.
    #[error("cannot {doing} backup {path}: {source}; {next}", path = path.display())]
    Io {
        /// "write", "read", ...
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What to do.
        next: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// Not one of ours.
    #[error("{} is not an atrest backup (or of a later version, or damaged where it begins); nothing was changed: name the file that encrypt, rotate or decrypt printed", .path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
    /// Sealed under a key that is not at hand.
    #[error("backup {} was written under key {key}, which is not in the keyring; nothing was changed: add that key to keys.previous", .path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key id in its header.
        key: KeyId,
    },
    /// Damaged, edited, or frames moved.
    #[error("backup {} does not authenticate at byte {offset}: it was edited or damaged; nothing of that frame or after it was used", .path.display())]
    Forged {
        /// The file.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
    },
    /// It was whole when it was closed, and has another length now.
    #[error("backup {} is damaged: it was closed at byte {closed} and is {len} bytes long now; nothing was changed: take a whole copy of it", .path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// Its length when it was closed.
        closed: u64,
    },
    /// Shorter than the journal knows it was.
    #[error("backup {} is damaged: it is whole up to byte {len} only, and {known} bytes of it were durable; nothing was changed. Put the whole file back; to go on with a run without it, name a new one with --backup FILE", .path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// Its proven length.
        len: u64,
        /// What the journal knows.
        known: u64,
    },
    /// It is there already, and this run cannot go on in it.
    #[error("backup {} exists already and {why}; nothing was changed: name another file with --backup FILE", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
    /// Not the file that the interrupted run wrote.
    #[error("backup {} is not the file that the interrupted run wrote, but another of that name; nothing was changed: put that file back, or name a new one with --backup FILE", .path.display())]
    Exchanged {
        /// The file.
        path: PathBuf,
    },
    /// Another run appends to it.
    #[error("another run writes backup {}; nothing was changed: wait for it to end, or end it, then run the same command again", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Its disk failed in this run.
    #[error("the disk failed under backup {}, and nothing more is written to it in this run; no row of this page was changed: see to the disk, then run the same command again, or name a file on another disk with --backup FILE", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// No random bytes.
    #[error("the operating system gave no random bytes for backup {}; nothing was changed: run again", .path.display())]
    Random {
        /// The file.
        path: PathBuf,
    },
}

pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> BackupError {
    let next = match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "no row of this page was changed: make room, then run the same command again and it goes on"
        }
        std::io::ErrorKind::PermissionDenied => {
            "name a folder that you may write to with --backup FILE"
        }
        std::io::ErrorKind::NotFound => "check the path",
        _ => "no row of this page was changed: see to the disk, then run the same command again",
    };
    BackupError::Io {
        doing,
        path: path.to_owned(),
        next,
        source,
    }
}

/// A file's header: what every frame is bound to.
#[derive(Clone, Copy)]
struct Header([u8; HEADER_LEN]);

impl Header {
    fn new(key: KeyId, file_id: [u8; 16], origin: Origin) -> Self {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = 1;
        bytes[9] = 1;
        bytes[10..14].copy_from_slice(&key.0);
        bytes[16..32].copy_from_slice(&file_id);
        bytes[32..].copy_from_slice(&origin.0);
        Self(bytes)
    }

    fn parse(bytes: [u8; HEADER_LEN]) -> Option<Self> {
        let fixed = bytes.starts_with(MAGIC) && bytes[8..10] == [1, 1] && bytes[14..16] == [0, 0];
        fixed.then_some(Self(bytes))
    }

    fn key(&self) -> KeyId {
        KeyId([self.0[10], self.0[11], self.0[12], self.0[13]])
    }

    fn file_id(&self) -> String {
        crate::journal::hex(&self.0[16..32])
    }

    fn is_of(&self, origin: Origin) -> bool {
        self.0[32..] == origin.0
    }

    /// The cipher for the file at `path`, which begins so.
    fn cipher(&self, keyring: &Keyring, path: &Path) -> Result<hazmat::Xaes256Gcm, BackupError> {
        let key = keyring
            .get(self.key())
            .ok_or_else(|| BackupError::UnknownKey {
                path: path.to_owned(),
                key: self.key(),
            })?;
        Ok(hazmat::Xaes256Gcm::of(key, Purpose::Backup))
    }

    fn aad(&self, number: u64) -> [u8; HEADER_LEN + 8] {
        let mut aad = [0; HEADER_LEN + 8];
        aad[..HEADER_LEN].copy_from_slice(&self.0);
        aad[HEADER_LEN..].copy_from_slice(&number.to_be_bytes());
        aad
    }
}

#[cfg(test)]
mod tests;
