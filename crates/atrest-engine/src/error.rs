//! The engine's one error: who is at fault, and what to do next.

use std::path::PathBuf;

use crate::backup::BackupError;
use crate::journal::JournalError;
use crate::subjects::SubjectError;
use crate::target::{Finding, TargetError};

/// Why a verb could not run, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The journal is not ours, or is not what we wrote.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The backup file.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The keys of subjects.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Preflight found what would break the application.
    #[error("{column} cannot be encrypted as it is: {}", list(.findings))]
    Preflight {
        /// Which column.
        column: String,
        /// What stands in the way.
        findings: Vec<Finding>,
    },
    /// The column cannot hold a token (or, going back, its original type is due).
    #[error(
        "{column} is {declared_type}, which cannot hold the encrypted values; run again with --apply-schema to let atrest do it, or run this yourself first:\n  {}",
        .ddl.join("\n  ")
    )]
    SchemaNeeded {
        /// Which column.
        column: String,
        /// Its type now.
        declared_type: String,
        /// The exact statements.
        ddl: Vec<String>,
    },
    /// The policy says another context or binding than the values were sealed with.
    #[error(
        "{column} was encrypted with context \"{recorded}\" and bind \"{recorded_bind}\", the policy now says \"{policy}\" and \"{policy_bind}\"; no value would open: set context = \"{recorded}\" and bind = \"{recorded_bind}\" in the policy (to change them, decrypt first)"
    )]
    ContextChanged {
        /// Which column.
        column: String,
        /// What the journal recorded.
        recorded: String,
        /// How it was bound.
        recorded_bind: &'static str,
        /// What the policy says.
        policy: String,
        /// How the policy binds it.
        policy_bind: &'static str,
    },
    /// Values are encrypted, and nothing shows that it was with the keys at hand.
    #[error(
        "no key in the keyring opens what {column} holds: of {rows} values {undecryptable} are encrypted under other keys{}, and nothing that the application encrypted opens; nothing was changed: {next}, and run again; if such values are the application's own text, add --accept-lookalikes",
        .key_ids
    )]
    WrongKey {
        /// Which column.
        column: String,
        /// How many values were looked at.
        rows: u64,
        /// How many were encrypted under other keys.
        undecryptable: u64,
        /// " (key ids …)", or empty when the suite names none.
        key_ids: String,
        /// What brings the keys back.
        next: &'static str,
    },
    /// Values are encrypted, and the other software's key opens none of them.
    #[error(
        "the key that was given opens nothing that {column} holds: of {rows} values {undecryptable} look encrypted; nothing was changed: check the format and the key, which has to be what the application was configured with when it encrypted them"
    )]
    WrongExternalKey {
        /// Which column.
        column: String,
        /// How many values were looked at.
        rows: u64,
        /// How many look encrypted.
        undecryptable: u64,
    },
    /// The other software's keys were not given.
    #[error("atrest {verb} needs the key of the other software; name where it is")]
    NoExternalKey {
        /// The verb.
        verb: &'static str,
    },
    /// A run came to a value under another key before it had seen one open.
    #[error(
        "row {row} of {column} is encrypted under another key{key_ids}, and nothing that the application encrypted has opened so far; the run stopped there: set the application's key as keys.primary, and keep {primary}, under which earlier rows are encrypted by now, in keys.previous (atrest rotate brings them over); if such values are the application's own text, run again with --accept-lookalikes"
    )]
    WrongKeyMet {
        /// Which column.
        column: String,
        /// The first such row's key.
        row: String,
        /// " (they name key id …)".
        key_ids: String,
        /// The id of the key that the run encrypted under.
        primary: String,
    },
    /// Another run, killed earlier, wrote to another backup file.
    #[error(
        "the interrupted run on {column} writes its backup to {path}, which is missing; put the file back, or name a new one with --backup FILE (originals of rows changed before the interruption are then only in the missing file)"
    )]
    BackupMissing {
        /// Which column.
        column: String,
        /// The recorded file.
        path: PathBuf,
    },
    /// The operator asked to stop.
    #[error("interrupted; every row is whole: run the same command again and it goes on")]
    Interrupted,
    /// A row that was asked for is not there.
    #[error("{column} has no row with key {key}; check the key's value and the order of its parts")]
    NoSuchRow {
        /// Which column.
        column: String,
        /// The key.
        key: String,
    },
    /// The operating system gave no random bytes.
    #[error(
        "the operating system gave no random bytes; nothing was changed: run again, and look at the system log if it stays"
    )]
    Random,
    /// A value could not be sealed.
    #[error("a value of {column} could not be encrypted ({source}); row {key} was left as it is")]
    Seal {
        /// Which column.
        column: String,
        /// The row.
        key: String,
        /// Why.
        source: atrest_core::SealError,
    },
    /// No database takes a token of that length.
    #[error(
        "the value of {column} in row {key} would need a token of {bytes} bytes, and the database takes {limit} at most; the row was left as it is: shorten the value or keep it outside the database, then run again (atrest decrypt brings back what is encrypted so far)"
    )]
    TooLong {
        /// Which column.
        column: String,
        /// The row.
        key: String,
        /// The token's length.
        bytes: u64,
        /// The longest there is.
        limit: u64,
    },
    /// A worker of ours died: a defect.
    #[error(
        "a worker stopped unexpectedly ({0}); every row is whole: run the same command again, and report this"
    )]
    Worker(String),
}

impl From<atrest_core::RandomError> for EngineError {
    fn from(_: atrest_core::RandomError) -> Self {
        Self::Random
    }
}

fn list(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|f| format!("{}; {}", f.what, f.next))
        .collect::<Vec<_>>()
        .join(". Also: ")
}
