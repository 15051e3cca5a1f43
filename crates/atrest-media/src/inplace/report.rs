use std::collections::BTreeMap;
use std::fmt;

use atrest_core::KeyId;
use atrest_core::object::ObjectError;
use atrest_engine::subjects::Erasure;

use super::Failure;
use crate::keyrings::{FileKeys, ToSeal};

/// How many files, and how many clear bytes they hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files.
    pub files: u64,
    /// Their clear bytes.
    pub bytes: u64,
}

impl Tally {
    pub(crate) const fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    pub(crate) const fn less(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_sub(other.files),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    pub(crate) const fn and(mut self, other: Self) -> Self {
        self.files += other.files;
        self.bytes += other.bytes;
        self
    }
}

/// What the folder holds after the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Files looked at: clear, sealed and undecryptable ones.
    pub total: u64,
    /// Clear ones.
    pub clear: Tally,
    /// Sealed ones by their key, of those that everybody shares.
    pub sealed: BTreeMap<KeyId, Tally>,
    /// Sealed ones under a key of their subject.
    pub by_subject: Tally,
    /// Those whose key was destroyed when their subject was forgotten.
    pub forgotten: u64,
    /// Those whose key is not used while their subject is to be forgotten, which can be
    /// taken back.
    pub to_be_forgotten: u64,
    /// Clear ones of subjects that are being forgotten, which are not sealed any more;
    /// they are counted as clear, too.
    pub withheld: Tally,
    /// The key that the file is sealed under, of a look at one alone.
    pub only_key: Option<KeyId>,
    /// Sealed ones that [`Rotate`](super::Operation::Rotate) would seal anew.
    pub to_rotate: Tally,
    /// Files that are nobody's, where subjects have keys of their own.
    pub nobodys: u64,
    /// Those that begin as an object does and do not open, by name.
    pub undecryptable: Vec<Undecryptable>,
    /// What this run changed. Counted above as what it is now.
    pub changed: Tally,
    /// What was left alone, by name.
    pub skipped: Vec<Skipped>,
    /// Clear bytes of the largest file.
    pub largest: u64,
    /// Temporary files of killed runs that were removed.
    pub removed: u64,
    /// What a bucket with versions holds beside.
    pub versions: Versions,
    /// Whether the run was stopped before its end.
    pub stopped: bool,
}

impl Report {
    /// Whether everything was looked at, and what is sealed opens. Clear files are
    /// for the caller to judge: after [`Decrypt`](super::Operation::Decrypt) they are
    /// what was asked for.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.stopped
            && self.undecryptable.is_empty()
            && self.skipped.iter().all(|skipped| skipped.why.is_harmless())
    }

    /// Counts what became of what has this name.
    pub(crate) fn count(&mut self, name: &[u8], done: Result<Done, Failure>) {
        let name = name.to_vec();
        match done {
            Ok(done) => {
                self.total += 1;
                self.largest = self.largest.max(done.bytes);
                match (done.key, done.own) {
                    (None, _) => self.clear.add(done.bytes),
                    (Some(_), true) => self.by_subject.add(done.bytes),
                    (Some(key), false) => self.sealed.entry(key).or_default().add(done.bytes),
                }
                match done.left {
                    None => {}
                    Some(Left::ToRotate) => self.to_rotate.add(done.bytes),
                    Some(Left::Withheld) => self.withheld.add(done.bytes),
                }
                if done.changed {
                    self.changed.add(done.bytes);
                }
            }
            Err(Failure::Object(error)) => {
                self.total += 1;
                self.undecryptable.push(Undecryptable::new(name, &error));
            }
            Err(Failure::Closed(error)) => {
                self.total += 1;
                self.undecryptable.push(Undecryptable {
                    name,
                    unknown_key: None,
                    problem: error.to_string(),
                });
            }
            Err(Failure::Forgotten(erasure)) => {
                self.total += 1;
                match erasure {
                    Erasure::Done => self.forgotten += 1,
                    Erasure::Asked => self.to_be_forgotten += 1,
                }
            }
            Err(Failure::NeedsKey) => {
                let why = "its subject got no key; run again".to_owned();
                let why = Why::Failed(why);
                self.skipped.push(Skipped { name, why });
            }
            Err(Failure::Skipped(why)) => self.skipped.push(Skipped { name, why }),
            Err(Failure::Stopped) => self.stopped = true,
        }
    }

    pub(crate) fn sort(&mut self) {
        self.undecryptable.sort_by(|a, b| a.name.cmp(&b.name));
        self.skipped.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// What something is after the run, with its clear length.
pub(crate) struct Done {
    pub(crate) key: Option<KeyId>,
    /// Whether that is its subject's.
    pub(crate) own: bool,
    pub(crate) bytes: u64,
    pub(crate) changed: bool,
    pub(crate) left: Option<Left>,
}

/// What else is to be said of it.
#[derive(Clone, Copy)]
pub(crate) enum Left {
    /// It is sealed under another key than it is to be.
    ToRotate,
    /// It is clear, and its subject is being forgotten.
    Withheld,
}

impl Done {
    /// It is clear.
    pub(crate) const fn clear(bytes: u64) -> Self {
        Self {
            key: None,
            own: false,
            bytes,
            changed: false,
            left: None,
        }
    }

    /// It is sealed under `key`.
    pub(crate) fn sealed(key: KeyId, bytes: u64, keys: &FileKeys) -> Self {
        let left = match keys.to_seal() {
            ToSeal::Under(own) if own == key => None,
            ToSeal::Never => None,
            _ => Some(Left::ToRotate),
        };
        Self {
            key: Some(key),
            own: keys.is_own(key),
            left,
            ..Self::clear(bytes)
        }
    }

    /// This run made it so.
    pub(crate) const fn changed(self) -> Self {
        Self {
            changed: true,
            ..self
        }
    }
}

/// A file that begins as an object does and does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecryptable {
    /// Its path below the root, as raw bytes.
    pub name: Vec<u8>,
    /// The key that it names, if the keyring lacks it.
    pub unknown_key: Option<KeyId>,
    /// Why it does not open, and what to do.
    pub problem: String,
}

/// Old versions, which a bucket may keep of what was changed or removed. What they are is
/// told by how they begin; they are not opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Clear ones. Until they are removed, their content is there to be read.
    pub clear: Tally,
    /// Those that begin as an object does, with their sealed bytes.
    pub sealed: Tally,
    /// The same by the key that they name.
    pub sealed_by: BTreeMap<KeyId, u64>,
    /// Clear ones that this run removed because it was told to.
    pub purged: Tally,
    /// Why they were not all looked at, if so: then the numbers are not to be relied on.
    pub problem: Option<String>,
}

impl Undecryptable {
    pub(crate) fn new(name: Vec<u8>, error: &ObjectError) -> Self {
        Self {
            name,
            unknown_key: match error {
                ObjectError::UnknownKey(key) => Some(*key),
                _ => None,
            },
            problem: error.to_string(),
        }
    }
}

/// What was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path below the root, as raw bytes.
    pub name: Vec<u8>,
    /// For which reason.
    pub why: Why,
}

/// Why something was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// A symbolic link: it holds nothing itself, and is not followed.
    Symlink,
    /// A pipe, socket or device: it holds nothing at rest.
    Special,
    /// atrest itself needs it as it is; see [`Folder::keep`](crate::folder::Folder::keep).
    Kept,
    /// It has other names.
    HardLinked,
    /// It was changed while it was read.
    Changed,
    /// It was removed or renamed meanwhile.
    Vanished,
    /// A temporary file of a run that was killed, or of one under way.
    LeftOver,
    /// An upload to `atrest serve` that is under way or was killed.
    Upload,
    /// The system refused.
    Failed(String),
}

impl Why {
    /// Whether nothing was left undone: there is nothing at rest in it, or it is to
    /// stay as it is.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(
            self,
            Self::Symlink | Self::Special | Self::Kept | Self::Vanished
        )
    }

    /// A word for it, for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::Special => "special",
            Self::Kept => "kept",
            Self::HardLinked => "hard-linked",
            Self::Changed => "changed",
            Self::Vanished => "vanished",
            Self::LeftOver => "left-over",
            Self::Upload => "upload",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "a symbolic link, which is not followed",
            Self::Special => "no regular file",
            Self::Kept => "atrest itself needs it as it is",
            Self::HardLinked => {
                "it has more than one name (hard links), and the others would keep the old bytes; \
                 remove them, or copy it to a file of its own"
            }
            Self::Changed => "changed while it was read; run again when nothing writes to it",
            Self::Vanished => "removed or renamed meanwhile",
            Self::LeftOver => {
                "a temporary file of a run that was killed or still is under way; the next \
                 encrypt, rotate or decrypt removes it"
            }
            Self::Upload => {
                "an upload to atrest serve that is under way or was killed: remove it when no \
                 server runs"
            }
            Self::Failed(problem) => return write!(f, "{problem}; it is as it was"),
        })
    }
}
