//! New keys made where they will stay: in a token, in the keyring of the desktop.

use atrest_core::KeyId;

use crate::{Environment, KeySourceError, Settings};

/// A key that was made in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewKey {
    /// Kept there, and delivered when it is asked for.
    Delivered {
        /// Where, as its URI names it.
        origin: String,
        /// Its id.
        id: KeyId,
    },
    /// Made inside of a token, where it only wraps: nobody has it, and it has no id.
    Wraps {
        /// Where, as its URI names it.
        origin: String,
    },
}

/// Makes a new key in the place that a source's URI names: `pkcs11:` or `os-keyring:`.
/// What is there is never overwritten.
///
/// # Errors
/// [`KeySourceError::BadUri`] for a source that a key cannot be made in, or as the
/// source; when there is a key already; [`KeySourceError::NotBuilt`].
pub fn generate_in(
    uri: &str,
    env: &Environment,
    settings: &Settings,
) -> Result<NewKey, KeySourceError> {
    match uri.split_once(':') {
        #[cfg(feature = "pkcs11")]
        Some(("pkcs11", rest)) => {
            crate::pkcs11::generate(rest, env, settings).map(|origin| NewKey::Wraps { origin })
        }
        #[cfg(feature = "os-keyring")]
        Some(("os-keyring", rest)) => crate::os_keyring::generate(rest),
        _ => {
            // Says what is wrong with it, or that this build has it not.
            let source = crate::source::parse(uri, settings)?;
            let _ = env;
            Err(KeySourceError::NotMadeThere {
                origin: source.name().to_owned(),
            })
        }
    }
}
