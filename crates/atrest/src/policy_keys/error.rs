//! Why a policy's keys, keyring or database cannot be had.

use atrest_engine::policy::PolicyError;
use atrest_engine::subjects::SubjectError;
use atrest_engine::target::TargetError;
use atrest_keys::KeySourceError;
use atrest_keys::keyring::KeyringError;

/// Names the place and what to do; never shows a key.
#[derive(Debug, thiserror::Error)]
pub enum PolicyKeysError {
    /// The policy cannot be used for this.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy's keys cannot be had.
    #[error("the keys of {origin} (line {line}) cannot be used")]
    Keys {
        /// The policy.
        origin: String,
        /// The line of `primary` or `keyring`.
        line: usize,
        /// Why not.
        source: KeySourceError,
    },
    /// A key source.
    #[error(transparent)]
    Source(#[from] KeySourceError),
    /// The keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A keyring is needed, and the policy has none.
    #[error(
        "{origin} (line {line}) names no keyring; write `keyring = \"atrest.keyring\"` and `root = \"SOURCE\"` into [keys] in place of `primary`, move that to `previous`, and make the keyring with `atrest key init`"
    )]
    NoKeyring {
        /// The policy.
        origin: String,
        /// The line of `primary`.
        line: usize,
    },
    /// The keyring has the keys of subjects already.
    #[error("the keyring has the keys of subjects already")]
    HasSubjects,
    /// The database has keys of subjects, and the keyring has none for them.
    #[error(
        "{keyring} has no key for subjects, but the database has keys of some: an old copy of the keyring was put back; put the newest one back"
    )]
    NoSubjectKeys {
        /// Where the keyring is.
        keyring: String,
    },
    /// Nobody had a key yet, and none is to be made.
    #[error(
        "{keyring} has no key for subjects yet, which the policy names, and this only reads: the first atrest encrypt makes them"
    )]
    NeverSubjects {
        /// Where the keyring is.
        keyring: String,
    },
    /// An old copy of the keyring.
    #[error("{what}; put the newest one back, or go on with --accept-older-keyring")]
    OldKeyring {
        /// Which generations differ.
        what: String,
    },
    /// An older keyring that was accepted is to be changed, and the newer one is there.
    #[error(
        "{origin} is older than {origin}.{newest} beside it, and nothing was changed: with --accept-older-keyring it is only read; put that copy in its place, or, if it is not to be used any more, move it and other newer ones elsewhere"
    )]
    NewerCopy {
        /// The keyring.
        origin: String,
        /// The generation of the newest copy.
        newest: u64,
    },
    /// The keys of subjects.
    #[error(transparent)]
    Subjects(#[from] SubjectError),
    /// The database.
    #[error(transparent)]
    Database(#[from] TargetError),
}
