use object_store::Error;
use object_store::path::Path;

use crate::MediaError;

/// Why an object of a [`SealedStore`](super::SealedStore) was refused: it does not
/// open, or an upload of it went wrong.
///
/// ```
/// use atrest_media::store::StoreError;
///
/// fn is_damage(error: &object_store::Error) -> bool {
///     StoreError::of(error).is_some()
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the object `{location}` is refused: {error}")]
pub struct StoreError {
    /// Which one.
    pub location: Path,
    /// Why, and what to do.
    #[source]
    pub error: MediaError,
}

impl StoreError {
    pub(super) const fn new(location: Path, error: MediaError) -> Self {
        Self { location, error }
    }

    /// The one inside of an error of the store, if that is why.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::Generic { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        generic(error)
    }
}

/// An error of this store.
pub(super) fn generic(
    source: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> Error {
    Error::Generic {
        store: "SealedStore",
        source: source.into(),
    }
}

/// What fails in a stream: the inner store, or what it gave.
pub(super) enum Fault {
    Inner(Error),
    Media(MediaError),
}

impl From<MediaError> for Fault {
    fn from(error: MediaError) -> Self {
        Self::Media(error)
    }
}
