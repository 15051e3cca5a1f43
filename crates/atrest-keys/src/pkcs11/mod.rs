//! `pkcs11:`: a root key inside a PKCS#11 token, which wraps and is never shown.
//!
//! | file | what |
//! |---|---|
//! | `uri.rs` | the URI of RFC 7512 |
//! | `pin.rs` | where the PIN comes from, and when it may be tried |
//! | `module.rs` | the vendor's library: loaded once, one session for each token |
//! | `key.rs` | the key in the token: found, checked, made, used |

mod key;
mod module;
mod pin;
mod uri;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::remote::{Failure, Wrap, Wrapping, blocking};
use crate::{Environment, KeySourceError, Settings};

use module::Module;
use pin::Pin;
use uri::Uri;

/// A key in a token.
#[derive(Debug)]
pub(crate) struct TokenKey {
    uri: Arc<Uri>,
}

/// Reads what stands after `pkcs11:`.
pub(crate) fn parse(rest: &str, settings: &Settings) -> Result<Wrapping<TokenKey>, KeySourceError> {
    let uri = Arc::new(Uri::parse(rest, settings)?);
    Ok(Wrapping::new(TokenKey { uri }, settings))
}

/// Makes an AES-256 key that never leaves the token, under the URI's `object` and `id`,
/// and proves that it wraps.
///
/// # Errors
/// [`KeySourceError::Remote`] when there is such a key already, or the token refuses.
pub(crate) fn generate(
    rest: &str,
    env: &Environment,
    settings: &Settings,
) -> Result<String, KeySourceError> {
    let uri = Uri::parse(rest, settings)?;
    key::Place::of(&uri)?;
    let made = || {
        let pin = Pin::read(&uri, env);
        Module::of(&uri)?.with_new_session(&uri, &pin, |session| key::generate(session, &uri))
    };
    made().map_err(|failure| failure.of(&uri.name))?;
    Ok(uri.name)
}

impl Wrap for TokenKey {
    fn name(&self) -> &str {
        &self.uri.name
    }

    async fn wrap(
        &self,
        key: &[u8; 32],
        context: &[u8],
        env: &Environment,
    ) -> Result<Vec<u8>, Failure> {
        let (uri, pin) = (Arc::clone(&self.uri), Pin::read(&self.uri, env));
        let (clear, context) = (Zeroizing::new(*key), context.to_owned());
        blocking(move || {
            Module::of(&uri)?.with_session(&uri, &pin, |session| {
                let key = key::find(session, &uri)?;
                key::wrap(session, key, &clear, &context)
            })
        })
        .await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[u8],
        env: &Environment,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (uri, pin) = (Arc::clone(&self.uri), Pin::read(&self.uri, env));
        let (wrapped, context) = (wrapped.to_owned(), context.to_owned());
        blocking(move || {
            Module::of(&uri)?.with_session(&uri, &pin, |session| {
                let key = key::find(session, &uri)?;
                key::unwrap(session, key, &wrapped, &context)
            })
        })
        .await
    }
}
