//! Why subjects' keys cannot be had.

use atrest_core::{KeyId, KeyringError, RandomError};

use crate::target::TargetError;

/// Why the keys of subjects cannot be used. Names tags, never subjects.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The database.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A name that cannot be sealed.
    #[error(transparent)]
    Seal(#[from] atrest_core::SealError),
    /// A record that is not what atrest wrote.
    #[error(
        "the record `{name}` of the table atrest_keys was changed, or belongs to another keyring; nothing of it is used: put the record back from a backup of that table, or name the keyring that it was made with"
    )]
    Damaged {
        /// The record.
        name: String,
    },
    /// A wrapped key that no key of the keyring opens.
    #[error(
        "the keys of subject {tag} are wrapped under key {}, which the keyring does not have or which does not open them; put the keyring back that has it",
        id.map_or_else(|| "of an unknown form".to_owned(), |id| id.to_string())
    )]
    Wrapped {
        /// The subject.
        tag: String,
        /// The wrapping key, where it is named.
        id: Option<KeyId>,
    },
    /// The name of somebody whose erasure was asked for does not open.
    #[error(
        "the name of subject {tag}, whose erasure was asked for, does not open, since the keyring lacks the key that it was sealed under; finish it by its name: atrest forget SUBJECT"
    )]
    Unnamed {
        /// The subject.
        tag: String,
    },
    /// Two keys share an id.
    #[error("subject {tag}: {source}")]
    Keyring {
        /// The subject.
        tag: String,
        /// Which id.
        source: KeyringError,
    },
    /// A key that was written and is not there.
    #[error(
        "the key that was made for subject {tag} cannot be read back from the table atrest_keys, so nothing was sealed under it; look for triggers or rules on that table and run again"
    )]
    NotKept {
        /// The subject.
        tag: String,
    },
    /// Values for somebody who is being forgotten.
    #[error(
        "subject {tag} is being forgotten and has values in clear again; type `atrest forget SUBJECT --undo` for it, or finish with `atrest forget --due` and run again"
    )]
    Forgetting {
        /// The subject.
        tag: String,
    },
    /// Nobody of this name has a key.
    #[error(
        "no keys are kept for subject {tag}: nothing in this database was encrypted for it; check its spelling, which is that of the column that the policy names as `subject`"
    )]
    Unknown {
        /// The subject.
        tag: String,
    },
    /// It may not be forgotten.
    #[error(
        "subject {tag} is held since {since} ({reason}), so its keys stay; release it with `atrest forget SUBJECT --release-hold` when the reason is gone"
    )]
    Held {
        /// The subject.
        tag: String,
        /// Since when.
        since: jiff::Timestamp,
        /// Why.
        reason: String,
    },
    /// No erasure was asked for, or it is done.
    #[error(
        "subject {tag} is not being forgotten, so there is nothing to undo; what was destroyed cannot be brought back"
    )]
    NothingToUndo {
        /// The subject.
        tag: String,
    },
    /// Its keys are being destroyed.
    #[error(
        "the erasure of subject {tag} has begun, so it cannot be taken back or held any more; finish it with `atrest forget --due`"
    )]
    Begun {
        /// The subject.
        tag: String,
    },
    /// A receipt that proves nothing.
    #[error("the receipt cannot be relied on: {0}")]
    Signature(&'static str),
    /// No keyring to wrap keys.
    #[error(
        "subjects need a keyring, whose keys wrap theirs; make one with `atrest key init` and name it in [keys] as `keyring`, with its `root`"
    )]
    NoKeyring,
    /// A record that cannot be written down.
    #[error("a record of keys cannot be written ({0}); report this as an error of atrest")]
    Body(String),
}
