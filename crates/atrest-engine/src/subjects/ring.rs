//! The keyring of one subject.

use atrest_core::{KeyId, Keyring, Stored};

/// A subject's keys, before the keys that everybody shares.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Opens what is the subject's; seals only where [`Self::seals`].
    pub(crate) keyring: Keyring,
    /// The key that the subject's values are sealed under.
    pub(crate) own: Option<KeyId>,
    /// The subject's keys that open, [`Self::own`] first.
    pub(crate) keys: Vec<KeyId>,
    /// Keys that are no more, or are not to be used.
    pub(crate) destroyed: Vec<KeyId>,
    /// The subject is being forgotten: no key is made for it.
    pub(crate) forgotten: bool,
}

impl Ring {
    /// Of a subject that has no keys: what is there was sealed before it had, if it is.
    pub(crate) fn without_keys(shared: &Keyring) -> Self {
        Self {
            keyring: shared.clone(),
            own: None,
            keys: Vec::new(),
            destroyed: Vec::new(),
            forgotten: false,
        }
    }

    /// Whether there is a key to seal with; nobody else's will do.
    pub(crate) fn seals(&self) -> bool {
        self.own.is_some() || self.forgotten
    }

    /// Whether a key is one of the subject's.
    pub(crate) fn is_own(&self, key: KeyId) -> bool {
        self.keys.contains(&key)
    }

    /// A value that was meant to be gone: it names a destroyed key, or names none (as
    /// Fernet's tokens) and the subject has destroyed ones.
    pub(crate) fn is_forgotten(&self, stored: &Stored) -> bool {
        match stored {
            // Whether somebody else has a key of that id, by chance, tells nothing.
            Stored::Undecryptable(value) => match value.key {
                Some(id) => self.destroyed.contains(&id),
                None => !self.destroyed.is_empty(),
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atrest_core::{Key, Suite, Undecryptable};

    /// A key of the keyring that was made since has the id of a destroyed one.
    #[test]
    fn a_value_of_a_destroyed_key_is_forgotten_whoever_has_its_id() {
        let shared = Key::from_bytes([7; 32]);
        let ring = Ring {
            destroyed: vec![shared.id()],
            ..Ring::without_keys(&Keyring::new(shared, vec![]).unwrap())
        };
        let value = |key: &Key| {
            Stored::Undecryptable(Undecryptable {
                suite: Some(Suite::Xaes256Gcm),
                key: Some(key.id()),
                key_known: ring.keyring.get(key.id()).is_some(),
            })
        };
        assert!(ring.is_forgotten(&value(&Key::from_bytes([7; 32]))));
        assert!(!ring.is_forgotten(&value(&Key::from_bytes([8; 32]))));
    }
}
