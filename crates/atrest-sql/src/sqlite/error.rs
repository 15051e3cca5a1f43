//! What SQLite says, as what a person can act on.

use atrest_engine::target::TargetError;
use rusqlite::{Error, ffi};

use crate::error::{DriverError, Kind, Place};

/// Why work on a connection did not succeed.
pub(super) enum Failure {
    /// SQLite's word.
    Driver(Error),
    /// Ours.
    Target(TargetError),
    /// The thread that did it.
    Panicked(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl Failure {
    /// The failure while `doing` something at `place`.
    pub(super) fn at(self, place: &Place, doing: impl Into<String>) -> TargetError {
        match self {
            Self::Target(error) => error,
            Self::Driver(error) if is_busy(&error) => TargetError::Refused {
                what: format!(
                    "{} is locked by another connection ({})",
                    place.location,
                    driver_error(&error)
                ),
                next: "find what holds it (a transaction left open, a long SELECT, a backup), let it end, then run the same command again"
                    .to_owned(),
            },
            Self::Driver(error) => place.said(doing, kind(&error), driver_error(&error)),
            Self::Panicked(what) => place.said(doing, Kind::Other, DriverError::new(what)),
        }
    }
}

/// The result code, and the extended one.
fn codes(error: &Error) -> Option<(i32, i32)> {
    let extended = error.sqlite_error()?.extended_code;
    Some((extended & 0xff, extended))
}

/// Another connection holds the file.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(
        codes(error),
        Some((ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED, _))
    )
}

fn kind(error: &Error) -> Kind {
    match codes(error) {
        Some((ffi::SQLITE_PERM | ffi::SQLITE_READONLY | ffi::SQLITE_AUTH, _)) => Kind::Permission,
        Some((ffi::SQLITE_CANTOPEN, _)) => Kind::Connection,
        _ => Kind::Other,
    }
}

fn driver_error(error: &Error) -> Box<DriverError> {
    let Some((code, extended)) = codes(error) else {
        return DriverError::new(error.to_string());
    };
    let message = match error {
        Error::SqliteFailure(_, Some(message)) | Error::SqlInputError { msg: message, .. } => {
            message.clone()
        }
        _ => error.to_string(),
    };
    // A trigger's RAISE may quote the value that it refuses.
    let about_data = code == ffi::SQLITE_CONSTRAINT;
    DriverError::with_code(extended.to_string(), &message, about_data)
}
