use std::io;

use atrest_core::KeyId;
use atrest_core::object::ObjectError;
use atrest_engine::subjects::SubjectError;

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
    /// Its key was destroyed.
    #[error(
        "its key {0} was destroyed when the subject that its name says was forgotten: nothing opens it any more, and nothing should; remove it"
    )]
    Forgotten(KeyId),
    /// Its key is not used.
    #[error(
        "its key {0} is not used, since the subject that its name says is to be forgotten; until that is done, atrest forget SUBJECT --undo takes it back"
    )]
    ToBeForgotten(KeyId),
    /// The keys of the subject that its name says cannot be had.
    #[error(transparent)]
    Keys(#[from] SubjectError),
}

impl MediaError {
    /// Whether its subject was forgotten, or is being forgotten: it is gone on purpose.
    #[must_use]
    pub const fn is_forgotten(&self) -> bool {
        matches!(
            self,
            Self::Forgotten(_)
                | Self::ToBeForgotten(_)
                | Self::Keys(SubjectError::Forgetting { .. })
        )
    }

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
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
