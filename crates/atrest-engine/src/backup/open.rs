//! Opening a backup to write to it: a new one, an interrupted run's, or that of an
//! earlier run of the same operation.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use atrest_core::Keyring;
use rustix::fs::OFlags;

use super::write::{State, raise};
use super::{
    BackupError, BackupReader, BackupWriter, HEADER_LEN, Header, MAGIC, Origin, START, io, mark,
};

/// A run that ends, or dies, lets go of its file within this many pauses.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What the journal knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// So many bytes of it were durable when rows were changed.
    pub(crate) len: u64,
    /// A run that was interrupted wrote to it, and may have left a torn frame.
    pub(crate) interrupted: bool,
}

impl BackupWriter {
    /// Makes a new file, mode 0600, under the primary key; durable when it returns.
    ///
    /// # Errors
    /// [`BackupError::Exists`] when the path is taken; the file system's.
    pub fn create(path: &Path, keyring: &Keyring, origin: Origin) -> Result<Self, BackupError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| {
                if e.kind() == std::io::ErrorKind::AlreadyExists {
                    BackupError::Exists {
                        path: path.to_owned(),
                        why: "was made by somebody else at this moment",
                    }
                } else {
                    io("create", path, e)
                }
            })?;
        lock(&file, path)?;
        if !is_at(&file, path) {
            // Another run took it for a left-over before it was locked.
            return Err(BackupError::InUse {
                path: path.to_owned(),
            });
        }
        Self::begin(file, path, keyring, origin, false)
    }

    /// A new file in the place of one that holds nothing; `None` when what is there,
    /// if anything, is no such file. A crash of ours leaves one, and the operator may
    /// have made one: it is written into and never removed, so that it does not matter
    /// whose it is. A link, or another user's file, is neither.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn take_over(
        path: &Path,
        keyring: &Keyring,
        origin: Origin,
    ) -> Result<Option<Self>, BackupError> {
        let Ok(Some(file)) = open_regular(OpenOptions::new().read(true).write(true), path) else {
            return Ok(None);
        };
        // Locked first: it may be filling at this moment.
        if lock(&file, path).is_err() || !is_at(&file, path) || !holds_nothing(&file) {
            return Ok(None);
        }
        file.set_len(0)
            .and_then(|()| file.set_permissions(Permissions::from_mode(0o600)))
            .map_err(|e| io("write", path, e))?;
        Self::begin(file, path, keyring, origin, true).map(Some)
    }

    /// Header and mark into an empty file; `found`: it was there before us.
    fn begin(
        mut file: File,
        path: &Path,
        keyring: &Keyring,
        origin: Origin,
        found: bool,
    ) -> Result<Self, BackupError> {
        let random = |bytes: &mut [u8]| {
            atrest_core::fill_random(bytes).map_err(|_| BackupError::Random {
                path: path.to_owned(),
            })
        };
        let mut file_id = [0; 16];
        random(&mut file_id)?;
        let header = Header::new(keyring.primary().id(), file_id, origin);
        let durable = |file: &mut File| {
            file.rewind()?;
            file.write_all(&[&header.0[..], &mark::OPEN].concat())?;
            file.sync_all()?;
            // The name itself must survive a crash too.
            let folder = path
                .parent()
                .filter(|p| !p.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        };
        durable(&mut file).map_err(|e| io("write", path, e))?;
        let state = State {
            file,
            len: START as u64,
            frames: 0,
            passes: BTreeMap::new(),
            found,
            closed: false,
            failed: false,
            frame: Vec::new(),
        };
        Self::new(path, keyring, header, state)
    }

    /// Opens the file with the id `id` of an interrupted run: proves every frame,
    /// cuts a torn last one. `known` bytes of it are known to have been durable.
    ///
    /// # Errors
    /// As [`BackupReader`]; [`BackupError::Exchanged`]; [`BackupError::Cut`] when
    /// fewer than `known` bytes are proven, and the file is left as it is (a damaged
    /// length in its middle looks like a torn end, and what follows it must not be
    /// cut away); the file system's.
    pub fn reopen(
        path: &Path,
        keyring: &Keyring,
        id: &str,
        known: u64,
    ) -> Result<Self, BackupError> {
        let known = Known {
            len: known,
            interrupted: true,
        };
        Self::open(path, keyring, |header| {
            (header.file_id() == id)
                .then_some(known)
                .ok_or_else(|| BackupError::Exchanged {
                    path: path.to_owned(),
                })
        })
    }

    /// Opens a file for another run of the same origin, under the same primary key;
    /// `known` says what the journal knows of the file with an id.
    ///
    /// # Errors
    /// [`BackupError::Exists`] when it is anything else, or has a torn end that no
    /// interrupted run accounts for; [`BackupError::Cut`] as in
    /// [`reopen`](Self::reopen); as [`BackupReader`].
    pub(crate) fn join(
        path: &Path,
        keyring: &Keyring,
        origin: Origin,
        known: &dyn Fn(&str) -> Known,
    ) -> Result<Self, BackupError> {
        let exists = |why| BackupError::Exists {
            path: path.to_owned(),
            why,
        };
        let opened = Self::open(path, keyring, |header| {
            if header.key() != keyring.primary().id() {
                return Err(exists("was written under another key than the primary one"));
            }
            if !header.is_of(origin) {
                return Err(exists(
                    "holds the originals of another operation, or of another database",
                ));
            }
            Ok(known(&header.file_id()))
        });
        opened.map_err(|error| match error {
            BackupError::NotABackup { .. } => exists("is not an atrest backup"),
            BackupError::UnknownKey { .. } => {
                exists("was written under another key than the primary one")
            }
            error => error,
        })
    }

    fn open(
        path: &Path,
        keyring: &Keyring,
        check: impl FnOnce(&Header) -> Result<Known, BackupError>,
    ) -> Result<Self, BackupError> {
        let mut file = open_regular(OpenOptions::new().read(true).write(true), path)
            .map_err(|e| io("open", path, e))?
            .ok_or_else(|| BackupError::Exists {
                path: path.to_owned(),
                why: "is no regular file",
            })?;
        let mut patience = LOCK_TRIES;
        while let Err(in_use) = lock(&file, path) {
            patience -= 1;
            if patience == 0 {
                return Err(in_use);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        from_the_disk(&file).map_err(|e| io("open", path, e))?;
        let mut reader = BackupReader::open(path, keyring)?;
        let header = reader.header();
        let known = check(&header)?;
        let mut passes = BTreeMap::new();
        while let Some(page) = reader.next_page()? {
            raise(&mut passes, &page.target, page.pass);
        }
        let len = reader.offset();
        if len < known.len {
            return Err(BackupError::Cut {
                path: path.to_owned(),
                len,
                known: known.len,
            });
        }
        if reader.torn() && !known.interrupted {
            return Err(BackupError::Exists {
                path: path.to_owned(),
                why: "ends in a torn page that no interrupted run accounts for",
            });
        }
        if reader.torn() {
            file.set_len(len).map_err(|e| io("write", path, e))?;
        }
        file.seek(SeekFrom::Start(len))
            .map_err(|e| io("write", path, e))?;
        let state = State {
            file,
            len,
            frames: reader.frames(),
            passes,
            found: false,
            closed: reader.closed(),
            failed: false,
            frame: Vec::new(),
        };
        Self::new(path, keyring, header, state)
    }
}

/// Opens a file and nothing else: a device may act, and a pipe wait, when it is opened.
pub(super) fn open_regular(
    options: &mut OpenOptions,
    path: &Path,
) -> std::io::Result<Option<File>> {
    if !path.metadata()?.is_file() {
        return Ok(None);
    }
    // What came in its place since does not hold us up either.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = options.custom_flags(flags).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// What is read next is what the disk holds: what a killed writer left in memory alone
/// is durable, and what a failing disk lost is not shown from memory as if it were there
/// (where the system can be asked to forget it).
fn from_the_disk(file: &File) -> std::io::Result<()> {
    file.sync_data()?;
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    Ok(())
}

/// What stands at `path`, links not followed, is this very file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), path.symlink_metadata()) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

/// Our own file, and no byte in it, or the beginning of a backup that no page went to.
fn holds_nothing(file: &File) -> bool {
    let owner = file.metadata().map(|meta| meta.uid());
    if !owner.is_ok_and(|uid| uid == rustix::process::geteuid().as_raw()) {
        return false;
    }
    let mut bytes = Vec::new();
    let whole = file.take(START as u64 + 1).read_to_end(&mut bytes).is_ok();
    let ours = bytes.starts_with(MAGIC)
        && bytes
            .iter()
            .skip(MAGIC.len())
            .take(2)
            .all(|fixed| *fixed == 1)
        && bytes.iter().skip(HEADER_LEN).all(|mark| *mark == 0)
        && bytes.len() <= START;
    whole && (bytes.is_empty() || ours)
}

/// Two runs must never append to one file. The lock goes with the open file, also
/// when the process dies; where the file system has no locks, the run lock in the
/// database is what there is.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), BackupError> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse {
            path: path.to_owned(),
        }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
