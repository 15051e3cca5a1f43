//! What a stored value is, and why a token does not open.

use crate::{KeyId, Suite};

/// A token that opened: how and under which key it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sealed {
    /// The suite.
    pub suite: Suite,
    /// The key, by its id (for Fernet the one whose HMAC fits).
    pub key: KeyId,
}

/// Looks like a token, but no key of the keyring opens it: damaged, moved away
/// from its place, or sealed under another key. As much as its header shows,
/// which nothing vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Undecryptable {
    /// The suite; `None` when the value is cut off before it is settled.
    pub suite: Option<Suite>,
    /// The key it names; `None` when cut off, and for Fernet, which names none.
    pub key: Option<KeyId>,
    /// Whether the keyring holds the key it names.
    pub key_known: bool,
}

/// What a stored value is: decided by cryptography, not by how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stored {
    /// Neither a token nor like one.
    Plaintext,
    /// A token, and its tag checks.
    Sealed(Sealed),
    /// Like a token, but nothing opens it: never to be taken for plaintext, sealed
    /// again, or returned.
    Undecryptable(Undecryptable),
}

/// Why a token does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It does not look like a token at all.
    #[error("the value is not a token; it may be stored in clear: `atrest verify` tells")]
    NotAToken,
    /// It names a key that the keyring does not hold.
    #[error(
        "the token is sealed under the key {id}, which is not in the keyring; \
         add that key as a previous one, then try again"
    )]
    UnknownKey {
        /// The key's id.
        id: KeyId,
    },
    /// Its tag does not check, or it is cut off or malformed; which one stays
    /// unsaid.
    #[error(
        "the token does not open: it was changed or cut off, belongs to another column or row, \
         or was sealed under another key; `atrest inspect` shows what its header says"
    )]
    Failed,
}

impl From<Undecryptable> for OpenError {
    fn from(u: Undecryptable) -> Self {
        match u.key {
            Some(id) if !u.key_known => Self::UnknownKey { id },
            _ => Self::Failed,
        }
    }
}
