//! What a store's errors mean to who asked.

use std::error::Error as _;
use std::io::{Error as IoError, ErrorKind};

use atrest_core::object::ObjectError;
use atrest_media::MediaError;
use axum::http::StatusCode;
use object_store::Error;

use crate::problem::Problem;
use crate::state::Shared;
use crate::switch::WithoutKeys;

/// Why a request failed that was in order itself; a label of `atrest_failures_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No key, or not what was sealed there.
    Refused,
    /// The keys may not be used now.
    Keys,
    /// No room.
    Full,
    /// The store did not answer, or not as it should.
    Store,
    /// The client went away in the middle of an upload.
    Interrupted,
}

impl Failure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Keys => "keys",
            Self::Full => "full",
            Self::Store => "store",
            Self::Interrupted => "interrupted",
        }
    }

    /// What kind of failure this is, if it is the server's side that failed.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match status(error) {
            StatusCode::SERVICE_UNAVAILABLE => Some(Self::Keys),
            StatusCode::INSUFFICIENT_STORAGE => Some(Self::Full),
            StatusCode::INTERNAL_SERVER_ERROR => Some(Self::Refused),
            StatusCode::BAD_GATEWAY => Some(Self::Store),
            _ => None,
        }
    }
}

impl Shared {
    /// As [`Shared::failed`], for a request that changes nothing.
    pub(crate) fn unread(&self, error: &Error, name: &impl ToString) -> Problem {
        match is_missing(error) {
            true => Problem::not_found(name),
            false => self.failed(error, name),
        }
    }

    /// Counts and logs what failed; gives the answer.
    pub(crate) fn failed(&self, error: &Error, name: &impl ToString) -> Problem {
        if let Some(failure) = Failure::of(error) {
            self.metrics.failed(failure);
            let (object, kind) = (name.to_string(), failure.name());
            tracing::error!(object, kind, %error, "a request failed");
        }
        problem(error, name)
    }
}

/// Whether there is no such object: also where a part of its name is one.
pub(crate) fn is_missing(error: &Error) -> bool {
    let below_a_file = io_kind(error) == Some(ErrorKind::NotADirectory);
    matches!(error, Error::NotFound { .. }) || below_a_file
}

/// The answer to a request whose object's store said `error`.
fn problem(error: &Error, name: &impl ToString) -> Problem {
    let status = status(error);
    let detail = match status {
        StatusCode::NOT_FOUND => return Problem::not_found(name),
        StatusCode::PRECONDITION_FAILED => return Problem::precondition_failed(name),
        StatusCode::BAD_REQUEST => "the store cannot have an object of this name; choose another",
        StatusCode::CONFLICT => {
            "a part of this name is an object itself, or there are objects below it; choose \
             another name"
        }
        StatusCode::GONE => {
            "whose this is was forgotten or is being forgotten: nothing opens it any more, and \
             nothing is kept under this name"
        }
        StatusCode::INSUFFICIENT_STORAGE => {
            "there is no room left, and nothing was kept; ask who runs this server"
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            "the server may not use its keys now; try again later. Its log says why"
        }
        // The object's own error says what to do, and shows no secret.
        StatusCode::INTERNAL_SERVER_ERROR => {
            let detail = match object_error(error) {
                Some(error) => format!("the object does not open: {error}"),
                None => "the object does not open; the server's log says why".to_owned(),
            };
            return Problem::new(status, detail).about(name);
        }
        _ => "the store failed; try again later. The server's log says why",
    };
    Problem::new(status, detail).about(name)
}

/// The status of the answer.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound { .. } => return StatusCode::NOT_FOUND,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            return StatusCode::PRECONDITION_FAILED;
        }
        Error::InvalidPath { .. } => return StatusCode::BAD_REQUEST,
        _ => {}
    }
    if is_gone(error) {
        return StatusCode::GONE;
    }
    if cause(error, |error| error.downcast_ref::<WithoutKeys>()).is_some() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if object_error(error).is_some() {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    match io_kind(error) {
        Some(ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty) => {
            StatusCode::CONFLICT
        }
        Some(ErrorKind::InvalidFilename) => StatusCode::BAD_REQUEST,
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// The first of the error's causes that `find` knows.
fn cause<'e, T: 'e>(
    error: &'e Error,
    find: impl Fn(&'e (dyn std::error::Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = find(error) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Whether its subject was forgotten, or is being forgotten.
fn is_gone(error: &Error) -> bool {
    cause(error, |error| {
        error
            .downcast_ref()
            .filter(|it: &&MediaError| it.is_forgotten())
    })
    .is_some()
}

fn object_error(error: &Error) -> Option<&ObjectError> {
    cause(error, |error| {
        let error = match error.downcast_ref::<IoError>() {
            Some(error) => error.get_ref()? as &(dyn std::error::Error + 'static),
            None => error,
        };
        match error.downcast_ref() {
            Some(MediaError::Object(error)) => Some(error),
            _ => error.downcast_ref(),
        }
    })
}

fn io_kind(error: &Error) -> Option<ErrorKind> {
    cause(error, |error| error.downcast_ref().map(IoError::kind))
}
