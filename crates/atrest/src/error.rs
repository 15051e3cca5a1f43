//! Why a field could not be had, sealed or opened.

use atrest_core::{OpenError, SealError};
use atrest_engine::policy::PolicyError;
use atrest_engine::subjects::SubjectError;
use atrest_engine::target::TargetError;
use atrest_keys::KeySourceError;

/// Names the field and what to do; never shows a value.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// The policy cannot be used, or has no such column.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeySourceError),
    /// The keyring is in the database, which is not connected to here.
    #[error(
        "keyring = \"database\" in [keys]: this function connects to no database; call `Fields::connect` with its URL, or keep the keyring in a file"
    )]
    KeyringInDatabase,
    /// The field is bound to its row, and no row was given.
    #[error("{field} has bind = \"row\": call `row` with the primary key's values first")]
    NeedsRow {
        /// The field's id.
        field: String,
    },
    /// A row was given for a field that is not bound to one.
    #[error(
        "{field} is not bound to rows: leave `row` out, or set bind = \"row\" in the policy before anything is sealed"
    )]
    NotBoundToRows {
        /// The field's id.
        field: String,
    },
    /// The column has a subject, and none was given.
    #[error(
        "{field} has a `subject` in the policy: say whose the row is with `of`, by keys from `Fields::subjects`, or that it is nobody's (NULL) with `of_nobody`"
    )]
    NeedsSubject {
        /// The field's id.
        field: String,
    },
    /// A subject was given for a column that has none.
    #[error(
        "{field} has no `subject` in the policy: leave `of` out, or write `subject` into the policy and run `atrest rotate`"
    )]
    NoSubject {
        /// The field's id.
        field: String,
    },
    /// The subject has no key to seal with.
    #[error("{field}: subject {tag} has no key yet; ask for its keys with `keys_to_seal`")]
    NeedsKey {
        /// The field's id.
        field: String,
        /// The subject's tag.
        tag: String,
    },
    /// The value's key was destroyed, or nothing more is sealed for its subject.
    #[error(
        "{field}: subject {tag} was forgotten or is being forgotten: its values are gone, and nothing is sealed for it; remove the row"
    )]
    Forgotten {
        /// The field's id.
        field: String,
        /// The subject's tag.
        tag: String,
    },
    /// The keys of subjects cannot be had.
    #[error(transparent)]
    Subjects(#[from] SubjectError),
    /// The keyring has none of the keys that subjects need.
    #[error(
        "the keyring {keyring} never had subjects; run `atrest encrypt` once, which makes the keys that it needs for them"
    )]
    NoSubjectKeys {
        /// Where the keyring is.
        keyring: String,
    },
    /// An old copy of the keyring, which knows nothing of who was forgotten since.
    #[error(
        "the keyring {keyring} has generation {generation}, and this database was used with generation {newest}: it is an old copy, without the keys made and the subjects forgotten since; put the newest one back"
    )]
    OldKeyring {
        /// Where the keyring is.
        keyring: String,
        /// How often it was changed.
        generation: u64,
        /// How often the newest one was.
        newest: u64,
    },
    /// The database that keeps subjects' keys.
    #[error(transparent)]
    Database(#[from] TargetError),
    /// The value was not sealed.
    #[error("{field}: {source}")]
    Seal {
        /// The field's id.
        field: String,
        /// Why not.
        source: SealError,
    },
    /// The stored value does not open.
    #[error("{field}: {source}")]
    Open {
        /// The field's id.
        field: String,
        /// Why not.
        source: OpenError,
    },
    /// It opens, but is no text.
    #[error("{field}: the value opens but is not UTF-8; read it with `open_bytes` or `read_bytes`")]
    NotText {
        /// The field's id.
        field: String,
    },
    /// It could not be written as JSON, or opens but is not the JSON that was
    /// asked for. Where, but not what: the parser's own words would quote it.
    #[error(
        "{field}: the value is not the JSON that was asked for (line {line}, column {column}); check the Rust type against what was stored"
    )]
    Json {
        /// The field's id.
        field: String,
        /// The line in the clear value, from 1; 0 when writing.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// The clock stands before 1970.
    #[error("the clock of this machine stands before 1970; set it, then try again")]
    Clock,
}
