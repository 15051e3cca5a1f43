//! A keyring in a file, with copies of it beside it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::error::KeyringError;
use super::read::{self, LONGEST};
use super::store::KeyringStore;
use crate::failpoints::{Point, reached};

/// How many documents are kept beside the file, the one that is in force included.
const COPIES: usize = 5;

/// A keyring in a file: `atrest.keyring`, and beside it
///
/// - `atrest.keyring.GENERATION`: copies of the last documents, the one that is in
///   force included. They say what the newest generation is when an old file is put in
///   the place of the newer one;
/// - `atrest.keyring.lock`: empty; who changes the keyring has it locked;
/// - `atrest.keyring.new`: what a killed change left; the next one removes it.
///
/// All with mode 0600. A new document is written beside the old one, made durable, and
/// given its name: whoever reads sees the old one or the new one, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringFile {
    path: PathBuf,
    accept_older: bool,
}

impl KeyringFile {
    /// The file's name where nobody says otherwise.
    pub const NAME: &str = "atrest.keyring";

    /// The keyring at `path`; behind a symbolic link, the file that it leads to.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // A rename would replace the link, and the file behind it would stay old.
        let path = match path.is_symlink() {
            true => fs::canonicalize(&path).unwrap_or(path),
            false => path,
        };
        Self {
            path,
            accept_older: false,
        }
    }

    /// Whether a file that is older than a copy beside it is read, and not an error.
    /// The next change has to lie above [`Self::newest`] ([`super::OpenKeyring::above`]).
    #[must_use]
    pub const fn accept_older(mut self, accept: bool) -> Self {
        self.accept_older = accept;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The generation of the newest copy beside it; 0: there is none.
    ///
    /// # Errors
    /// [`KeyringError::File`] when the folder cannot be read.
    pub fn newest(&self) -> Result<u64, KeyringError> {
        Ok(self.copies()?.pop().map_or(0, |(generation, _)| generation))
    }

    /// The file and the copies beside it, as far as they are there.
    ///
    /// # Errors
    /// [`KeyringError::File`] when the folder cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>, KeyringError> {
        let mut files = vec![self.path.clone(), self.beside("lock"), self.beside("new")];
        files.extend(self.copies()?.into_iter().map(|(_, path)| path));
        files.retain(|path| path.exists());
        Ok(files)
    }

    /// [`KeyringStore::load`] for callers that are not asynchronous.
    ///
    /// # Errors
    /// As [`KeyringStore::load`].
    pub fn read(&self) -> Result<Option<String>, KeyringError> {
        // In this order: a copy is made when its document is in force, so that no change
        // that happens just now makes the file look old.
        let newest = self.copies()?.pop();
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        if let Some(newest) = newest {
            self.refuse_exchanged(&text, &newest.1)?;
            if !self.accept_older {
                self.refuse_older(&text, newest)?;
            }
        }
        Ok(Some(text))
    }

    /// The entry of a keyring's first key stays for ever, so that copies which begin with
    /// another key are of another keyring.
    fn refuse_exchanged(&self, text: &str, copy: &Path) -> Result<(), KeyringError> {
        let first = fs::read_to_string(copy).ok();
        let first = first.as_deref().and_then(read::first_key);
        match (read::first_key(text), first) {
            (Some(one), Some(other)) if one != other => Err(KeyringError::Exchanged {
                origin: self.name(),
                copy: copy.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn refuse_older(&self, text: &str, (newest, copy): (u64, PathBuf)) -> Result<(), KeyringError> {
        let found = read::check(text, &self.name())?;
        if found < newest {
            return Err(KeyringError::Older {
                origin: self.name(),
                found,
                copy,
                newest,
            });
        }
        Ok(())
    }

    /// [`KeyringStore::replace`] for callers that are not asynchronous.
    ///
    /// # Errors
    /// As [`KeyringStore::replace`].
    pub fn write(&self, expected: u64, text: &str) -> Result<(), KeyringError> {
        let _lock = self.lock()?;
        reached(Point::Locked);
        let before = self.text()?;
        let found = match &before {
            Some(before) => read::check(before, &self.name())?,
            None => 0,
        };
        if found != expected {
            return Err(match expected {
                0 => KeyringError::Exists {
                    origin: self.name(),
                },
                _ => KeyringError::Changed {
                    origin: self.name(),
                    expected,
                    found,
                },
            });
        }
        reached(Point::Compared);
        let generation = read::check(text, &self.name())?;
        match &before {
            Some(before) => {
                if let Some((_, newest)) = self.copies()?.pop() {
                    self.refuse_exchanged(before, &newest)?;
                }
                self.copy(found, before)?;
            }
            // Copies without a keyring: it was lost, and is not to be made anew over them.
            None => {
                if let Some((_, copy)) = self.copies()?.pop() {
                    return Err(KeyringError::Exists {
                        origin: copy.display().to_string(),
                    });
                }
            }
        }
        reached(Point::OldCopied);
        self.put(&self.path, text, true)?;
        self.copy(generation, text)?;
        reached(Point::NewCopied);
        self.remove_copies(COPIES, 0)
    }

    /// The path with `.ending` behind its name.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    fn text(&self) -> Result<Option<String>, KeyringError> {
        let failed = failed("read", &self.path);
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            // Asked before opening: opening a FIFO would wait for a writer.
            Ok(metadata) if !metadata.is_file() => {
                return Err(KeyringError::Foreign {
                    origin: self.name(),
                });
            }
            Ok(_) => {}
        }
        let file = File::open(&self.path).map_err(&failed)?;
        let mut bytes = Vec::new();
        file.take(LONGEST as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(&failed)?;
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| KeyringError::Damaged {
                origin: self.name(),
                problem: "it is not text".to_owned(),
            })
    }

    /// Keeps everybody else from changing it, until it is dropped.
    fn lock(&self) -> Result<File, KeyringError> {
        let path = self.beside("lock");
        let failed = failed("lock", &path);
        let mut options = private();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(&failed)?;
        file.lock().map_err(&failed)?;
        Ok(file)
    }

    /// The copies beside it, the oldest first.
    fn copies(&self) -> Result<Vec<(u64, PathBuf)>, KeyringError> {
        let failed = failed("look into", self.folder());
        let Some(name) = self.path.file_name() else {
            return Ok(Vec::new());
        };
        let mut start = name.to_owned();
        start.push(".");
        let entries = match fs::read_dir(self.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(&failed)?,
        };
        let mut copies = Vec::new();
        for entry in entries {
            let entry = entry.map_err(&failed)?;
            let file = entry.file_name();
            let ending = file
                .as_encoded_bytes()
                .strip_prefix(start.as_encoded_bytes())
                .and_then(|ending| std::str::from_utf8(ending).ok());
            let Some(ending) = ending else { continue };
            if let Ok(generation) = ending.parse::<u64>()
                && generation.to_string() == ending
            {
                copies.push((generation, entry.path()));
            }
        }
        copies.sort_unstable();
        Ok(copies)
    }

    /// Keeps `text` beside the file, unless that is there.
    fn copy(&self, generation: u64, text: &str) -> Result<(), KeyringError> {
        let path = self.beside(&generation.to_string());
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        self.put(&path, text, false)
    }

    /// Gives `path` this text, whole and durable.
    fn put(&self, path: &Path, text: &str, step: bool) -> Result<(), KeyringError> {
        let reached = |point| {
            if step {
                reached(point);
            }
        };
        let new = self.beside("new");
        let write = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = private().write(true).create_new(true).open(&new)?;
            reached(Point::TemporaryMade);
            let (first, second) = text.as_bytes().split_at(text.len() / 2);
            file.write_all(first)?;
            reached(Point::HalfWritten);
            file.write_all(second)?;
            reached(Point::Written);
            file.sync_all()?;
            reached(Point::Synced);
            fs::rename(&new, path)?;
            reached(Point::Renamed);
            sync_folder(self.folder())?;
            reached(Point::FolderSynced);
            Ok(())
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&new);
            failed("write", path)(error)
        })
    }

    /// Removes copies of generations below `before`, and of what is older than the
    /// newest `keep`; never the newest.
    fn remove_copies(&self, keep: usize, before: u64) -> Result<(), KeyringError> {
        let mut copies = self.copies()?;
        copies.pop();
        let many = (copies.len() + 1).saturating_sub(keep);
        for (index, (generation, path)) in copies.into_iter().enumerate() {
            if index < many || generation < before {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                reached(Point::CopyRemoved);
            }
        }
        sync_folder(self.folder()).map_err(failed("make durable", self.folder()))
    }
}

#[async_trait]
impl KeyringStore for KeyringFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn load(&self) -> Result<Option<String>, KeyringError> {
        self.read()
    }

    async fn replace(&self, expected: u64, text: &str) -> Result<(), KeyringError> {
        self.write(expected, text)
    }

    async fn prune(&self, before: u64) -> Result<(), KeyringError> {
        let _lock = self.lock()?;
        self.remove_copies(usize::MAX, before)
    }
}

/// Options for a file that only its owner can use.
fn private() -> OpenOptions {
    #[allow(unused_mut, reason = "systems without modes")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyringError {
    let path = path.to_owned();
    move |source| KeyringError::File {
        what,
        path: path.clone(),
        source,
    }
}
