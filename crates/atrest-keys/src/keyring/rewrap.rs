//! Another root: the keyring key is wrapped anew, and no key that seals is touched.

use atrest_core::{Key, KeyWrapper};
use jiff::Timestamp;

use super::change::{NewKeyring, finish};
use super::document::{key_context, root_context};
use super::error::KeyringError;
use super::open::OpenKeyring;
use crate::{Environment, KeySource};

impl OpenKeyring {
    /// The same keys under another root, whose URI is `uri`: it wraps the keyring key,
    /// unwraps it again, and only what comes back right is taken.
    ///
    /// # Errors
    /// What the new root says; [`KeyringError::NotReadBack`] when it gives back another
    /// key.
    pub fn rewrap(
        &self,
        root: &dyn KeySource,
        uri: &str,
        env: &Environment,
        now: Timestamp,
    ) -> Result<NewKeyring, KeyringError> {
        let wrapped = wrap_key(&self.keyring_key, root, env)?;
        self.change(now, |document| {
            document.source = uri.to_owned();
            document.wrapped = wrapped;
            Ok(None)
        })
    }

    /// As [`Self::rewrap`], under a new keyring key as well: for when somebody may have
    /// had the old one. Recovery shares of before do not open it.
    ///
    /// # Errors
    /// As [`Self::rewrap`].
    pub fn renew(
        &self,
        root: &dyn KeySource,
        uri: &str,
        env: &Environment,
        now: Timestamp,
    ) -> Result<NewKeyring, KeyringError> {
        let keyring_key = Key::generate()?;
        let (old, new) = (
            KeyWrapper::new(&self.keyring_key),
            KeyWrapper::new(&keyring_key),
        );
        let mut document = self.document.clone();
        for entry in &mut document.keys {
            let place = key_context(entry.purpose, entry.created);
            if let Some(wrapped) = &mut entry.wrapped {
                let key = old
                    .unwrap(wrapped, &place)
                    .map_err(|_| KeyringError::Damaged {
                        origin: self.origin.clone(),
                        problem: format!("the key {} does not open", entry.id),
                    })?;
                *wrapped = new.wrap(&key, &place)?;
            }
        }
        document.source = uri.to_owned();
        document.wrapped = wrap_key(&keyring_key, root, env)?;
        let (taken, floor) = (&self.taken, self.floor);
        finish(document, keyring_key, &self.origin, now, taken, floor)
    }
}

/// The keyring key, wrapped by a root that was seen to unwrap it again.
pub(super) fn wrap_key(
    keyring_key: &Key,
    root: &dyn KeySource,
    env: &Environment,
) -> Result<Vec<u8>, KeyringError> {
    let wrapped = root
        .wrap_key(keyring_key, &root_context(), env)
        .map_err(Box::new)?;
    let back = root
        .unwrap_key(&wrapped, &root_context(), env)
        .map_err(Box::new)?;
    // Whether two keys of our own are equal is no secret: the answer is told.
    if back.expose_secret() != keyring_key.expose_secret() {
        return Err(KeyringError::NotReadBack {
            origin: root.name().to_owned(),
        });
    }
    Ok(wrapped)
}
