use crate::xaes::CipherError;
use crate::{KeyId, RandomError};

/// Why an object cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It does not begin with an object's header.
    #[error(
        "it is no encrypted object of atrest: it does not begin with an object's header; \
         check that this is the right file, and that it was encrypted"
    )]
    NotAnObject,
    /// A header of ours, of a kind that this version does not know.
    #[error("it is an encrypted object of a newer kind ({0}); open it with a newer atrest")]
    NewerKind(String),
    /// The key that its header names is not in the keyring.
    #[error(
        "its key {0} is not in the keyring; add that key to keys.previous in the policy, or name \
         the source that has it"
    )]
    UnknownKey(KeyId),
    /// The commitment does not hold under this key and id.
    #[error(
        "it does not belong here: its key {key} is at hand, but it was sealed under another name \
         or its first {} bytes were changed; put it back where it was sealed, or restore it from \
         a backup",
        super::PROLOGUE_LEN
    )]
    Unbound {
        /// The key that its header names.
        key: KeyId,
    },
    /// A length that no object has: something is missing or was added.
    #[error(
        "it was cut off or added to: no object is {length} bytes long; restore it from a backup"
    )]
    Length {
        /// Its length in bytes.
        length: u64,
    },
    /// A chunk that does not open: changed, moved, or another object's.
    #[error(
        "its chunk {chunk} (clear bytes from {}) does not open: it was changed, moved, or is \
         another object's; restore it from a backup", chunk * super::CHUNK_LEN as u64
    )]
    Damaged {
        /// The chunk's number, from 0.
        chunk: u64,
    },
    /// More than 4 PiB, or chunks after the last one.
    #[error("an object ends with its first short chunk and at 4 PiB, and this would go beyond")]
    TooLong,
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The library refused; it does so for lengths only, which are checked before.
    #[error("the cipher refused to work; report this as an error of atrest")]
    Cipher,
}

impl From<CipherError> for ObjectError {
    fn from(_: CipherError) -> Self {
        Self::Cipher
    }
}
