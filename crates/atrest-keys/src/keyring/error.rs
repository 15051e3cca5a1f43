//! Why a keyring cannot be read, opened or changed.

use std::io;
use std::path::PathBuf;

use atrest_core::{KeyId, RandomError};

use super::{KeyPurpose, KeyState};
use crate::KeySourceError;

/// Why a keyring cannot be read, opened or changed. Shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Nothing is there.
    #[error(
        "there is no keyring at {origin}; `atrest key init` makes one; if there was one, put the newest copy back: without it what its keys sealed is lost"
    )]
    Missing {
        /// Where it was looked for.
        origin: String,
    },
    /// Something is there already.
    #[error(
        "{origin} is there already, and a keyring is never overwritten; name another place, or use the one that is there"
    )]
    Exists {
        /// Where.
        origin: String,
    },
    /// It is not a keyring.
    #[error(
        "{origin} is not a keyring of atrest; check `keyring` in [keys], or put the newest copy back"
    )]
    Foreign {
        /// Which document.
        origin: String,
    },
    /// A format that this version does not read.
    #[error(
        "{origin} is a keyring of version {version}, and this atrest reads version 1; it needs the version of atrest that wrote it, or a later one: nothing was changed"
    )]
    Version {
        /// Which document.
        origin: String,
        /// What it says.
        version: u64,
    },
    /// Cut, edited or broken.
    #[error(
        "{origin} is damaged: {problem}; nothing was changed: put the newest copy back (copies are kept beside the file, with their generation behind the name)"
    )]
    Damaged {
        /// Which document.
        origin: String,
        /// What is wrong, with the line, without its text.
        problem: String,
    },
    /// A document that what the shares give does not authenticate.
    #[error(
        "{origin} does not open by these shares: they are another keyring's, or from before its keyring key was renewed (atrest key rewrap --renew-keyring-key), or it was changed after it was written; nothing was changed: take the shares of the last atrest key export, or a copy of the keyring from their time"
    )]
    NotByShares {
        /// Which document.
        origin: String,
    },
    /// An older document than there once was.
    #[error(
        "{origin} is older than a copy beside it: it has generation {found}, and {} has generation {newest}; \
         an old keyring lacks newer keys and brings back what was destroyed: \
         put the newest copy in its place, or go on with --accept-older-keyring if it was meant",
        copy.display()
    )]
    Older {
        /// Which document.
        origin: String,
        /// Its generation.
        found: u64,
        /// The newest copy.
        copy: PathBuf,
        /// The copy's generation.
        newest: u64,
    },
    /// Another keyring than its copies beside it.
    #[error(
        "{origin} is another keyring than the copies of it beside it: it has none of the keys of {}; another system's file was put in its place, and nothing was changed: put that copy there again, or, if the other keyring is meant, move the copies to another folder",
        copy.display()
    )]
    Exchanged {
        /// Which document.
        origin: String,
        /// The newest copy.
        copy: PathBuf,
    },
    /// The root opens no keyring key, or not this one.
    #[error("{origin}: the root key source does not open it: {source}{}", if *.written_under { String::new() } else { format!("; this keyring was wrapped by `{wrapped_by}`: write that as `root` in [keys] if it was moved there by `atrest key rewrap`") })]
    Root {
        /// Which document.
        origin: String,
        /// The source that it says it was wrapped by.
        wrapped_by: String,
        /// Whether that is the one that was asked.
        written_under: bool,
        /// What the source says.
        source: Box<KeySourceError>,
    },
    /// Somebody else changed it in between.
    #[error(
        "{origin} was changed by somebody else just now: it has generation {found}, where {expected} was expected; nothing was changed: run the command again"
    )]
    Changed {
        /// Which document.
        origin: String,
        /// The generation that the change was made from; 0: none.
        expected: u64,
        /// What is there; 0: none.
        found: u64,
    },
    /// What was written is not what is read.
    #[error(
        "{origin} was written, and does not read back as it was written; no value was sealed under its new key: check the disk or database, then run the command again"
    )]
    NotReadBack {
        /// Which document.
        origin: String,
    },
    /// No such key.
    #[error("the keyring has no key {id}; `atrest key list` shows its keys")]
    NoSuchKey {
        /// The key.
        id: KeyId,
    },
    /// The key's state does not allow it.
    #[error(
        "the key {id} is {}; {}",
        state.name(),
        match state {
            KeyState::Active => "another must take its place first: `atrest key rotate`",
            KeyState::DecryptOnly => "it can open what it sealed, no more",
            KeyState::Destroyed => "what it sealed is gone, and it never comes back",
        }
    )]
    State {
        /// The key.
        id: KeyId,
        /// Its state.
        state: KeyState,
    },
    /// Keys of this purpose are not rotated.
    #[error("keys for {} are neither rotated nor destroyed: what they made is for ever", .0.name())]
    NotRotated(KeyPurpose),
    /// The subject's tombstone is not what the change wants.
    #[error("the subject {tag} {problem}; nothing was changed")]
    Subject {
        /// Its tag.
        tag: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file or folder.
    #[error("cannot {what} {}: {source}; check the folder's permissions and the disk's space, then run the command again: the keyring is the old one or the new one, whole", path.display())]
    File {
        /// Read, write or the like.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A store of another kind, such as a database.
    #[error("{origin}: {problem}")]
    Store {
        /// Which store.
        origin: String,
        /// What happened, and what to do.
        problem: String,
    },
    /// It could not be written as text.
    #[error("the keyring could not be written as text ({0}); nothing was changed")]
    Text(#[from] serde_json::Error),
    /// No random bytes for a key or a nonce.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A key source, where not the keyring's own root failed.
    #[error(transparent)]
    Source(#[from] Box<KeySourceError>),
}
