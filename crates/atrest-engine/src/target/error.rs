//! Why a target could not do what was asked.

/// Why a target could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The place itself could not be reached, or the link broke.
    #[error(
        "cannot reach {what}: {source}; check that it runs and that the URL, user and network are right, then run the same command again"
    )]
    Connection {
        /// The database, without its password.
        what: String,
        /// The driver's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something named in the policy is not there.
    #[error("{what} does not exist; {next}")]
    NotFound {
        /// What was looked for.
        what: String,
        /// The nearest names, or where to look.
        next: String,
    },
    /// The account may not do it.
    #[error("permission denied for {what}: {source}; {next}")]
    Permission {
        /// What was tried.
        what: String,
        /// The grant that is missing.
        next: String,
        /// The driver's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It would not be safe, or cannot be done on this table.
    #[error("{what}; {next}")]
    Refused {
        /// What and why.
        what: String,
        /// What to do.
        next: String,
    },
    /// Another run holds the lock, or has moved the journal on.
    #[error(
        "another run works on {what}; wait for it to end, or end it, then run the same command again"
    )]
    Busy {
        /// Which target.
        what: String,
    },
    /// Anything else the database said.
    #[error("the database refused {doing}: {source}")]
    Database {
        /// What was being done.
        doing: String,
        /// The driver's word.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Result with [`TargetError`].
pub type Result<T, E = TargetError> = std::result::Result<T, E>;
