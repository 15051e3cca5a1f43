//! `[keys]`: where keys come from.

use std::path::PathBuf;
use std::time::Duration;

/// `[keys]`: where keys come from, as URIs for `atrest-keys`.
#[derive(Clone)]
pub struct KeysPolicy {
    /// Where the keys that seal are.
    pub primary: PrimaryKeys,
    /// Sources of keys that only open.
    pub previous: Vec<String>,
    /// A `.env` file that fills in variables the environment does not set;
    /// relative to the policy's folder.
    pub env_file: Option<PathBuf>,
    /// Whether key files and the `.env` file may be readable by others.
    pub allow_readable_files: bool,
    /// How old an active key of a keyring may become.
    pub rotate_after: Option<Duration>,
    /// How long a request to a server may take; else the default of `atrest-keys`.
    pub timeout: Option<Duration>,
    /// How long a key that a server gave is good without asking again; else the default.
    pub cache: Option<Duration>,
    /// How long after that it is still used while the server is away; else the default.
    pub grace: Option<Duration>,
    /// The line of `primary` or `keyring`.
    pub line: usize,
}

/// Where the keys that seal are.
#[derive(Clone, PartialEq, Eq)]
pub enum PrimaryKeys {
    /// `primary`: in a key source.
    Source(String),
    /// `keyring` and `root`.
    Keyring {
        /// Where the keyring is.
        place: KeyringPlace,
        /// The key source that opens it.
        root: String,
    },
}

/// Where a keyring is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyringPlace {
    /// A file; relative to the policy's folder.
    File(PathBuf),
    /// The policy's database.
    Database,
}

impl KeyringPlace {
    /// As the policy writes the database.
    pub(super) const DATABASE: &str = "database";
}

impl KeysPolicy {
    /// Whether the keys that seal are a keyring in the policy's database.
    #[must_use]
    pub fn in_database(&self) -> bool {
        matches!(
            self.primary,
            PrimaryKeys::Keyring {
                place: KeyringPlace::Database,
                ..
            }
        )
    }

    /// The sources that open the keys that seal: `primary`, or `root`.
    #[must_use]
    pub fn root_source(&self) -> &str {
        match &self.primary {
            PrimaryKeys::Source(source) => source,
            PrimaryKeys::Keyring { root, .. } => root,
        }
    }
}

impl std::fmt::Debug for PrimaryKeys {
    /// Without the source: somebody may have pasted a key in place of one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(_) => f.write_str("Source"),
            Self::Keyring { place, .. } => f.debug_tuple("Keyring").field(place).finish(),
        }
    }
}

impl std::fmt::Debug for KeysPolicy {
    /// Without the sources: somebody may have pasted a key in place of one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeysPolicy")
            .field("primary", &self.primary)
            .field("previous", &self.previous.len())
            .field("env_file", &self.env_file)
            .field("allow_readable_files", &self.allow_readable_files)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
