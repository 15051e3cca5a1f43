//! Why a field could not be had, sealed or opened.

use atrest_core::{OpenError, SealError};
use atrest_engine::policy::PolicyError;
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
        "keyring = \"database\" in [keys]: this function connects to no database; load the keyring from it, or keep the keyring in a file"
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
