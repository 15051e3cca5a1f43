use std::io;

use atrest_core::object::ObjectError;
use atrest_core::{KeyId, Keyring};
use atrest_engine::subjects::{Erasure, SubjectError};

use super::Why;
use crate::{FileKeys, MediaError};

/// Why one file was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It stays as it was, and this is why.
    Skipped(Why),
    /// It does not open.
    Object(ObjectError),
    /// It is meant to be gone: its subject's key was destroyed, or is not used any more.
    Forgotten(Erasure),
    /// Its subject's key is there, and does not open.
    Closed(SubjectError),
    /// It is due, and its subject has no key yet.
    NeedsKey,
    /// The run is to end.
    Stopped,
}

impl Failure {
    /// For `map_err`: this is what was being done.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Skipped(Why::Failed(format!("{doing} failed: {error}")))
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Object(error) => Self::Object(error),
            MediaError::Forgotten(_) => Self::Forgotten(Erasure::Done),
            MediaError::ToBeForgotten(_) => Self::Forgotten(Erasure::Asked),
            MediaError::Keys(error @ SubjectError::Wrapped { .. }) => Self::Closed(error),
            error @ MediaError::Keys(_) => Self::Skipped(Why::Failed(error.to_string())),
            // A reader of objects is a reader like any other to what reads from it.
            MediaError::Io { doing, source } => match source.downcast::<ObjectError>() {
                Ok(error) => Self::Object(error),
                Err(source) => Self::io(doing)(source),
            },
        }
    }
}

/// What a file is to be sealed under.
pub(crate) fn sealing(keys: &FileKeys) -> Result<(&Keyring, KeyId), Failure> {
    match keys.sealing() {
        Ok(keyring) => Ok((keyring, keyring.primary().id())),
        Err(SubjectError::NotKept { .. }) => Err(Failure::NeedsKey),
        // It stays as it is.
        Err(error) => Err(Failure::Skipped(Why::Failed(error.to_string()))),
    }
}
