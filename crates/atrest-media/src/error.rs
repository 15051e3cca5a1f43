use std::io;

use atrest_core::object::ObjectError;

/// Why a stream could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The reader or the writer failed.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was being done, as the beginning of a sentence.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is no object, or not one that opens here.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl MediaError {
    /// For `map_err`: this is what was being done.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl From<MediaError> for io::Error {
    /// The system's own error where there is one, else `InvalidData` with the
    /// [`ObjectError`] inside.
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Io { source, .. } => source,
            MediaError::Object(error) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
