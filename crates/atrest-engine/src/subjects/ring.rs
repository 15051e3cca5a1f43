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
    use atrest_core::{Context, FieldOpener, Form, Key, Suite, seal_one};

    /// Two keys with one id, found by search.
    fn colliding() -> (Key, Key) {
        let key = |n: u32| {
            let mut bytes = [9; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            Key::from_bytes(bytes)
        };
        let mut seen = std::collections::HashMap::new();
        for n in 0u32.. {
            if let Some(before) = seen.insert(key(n).id(), n) {
                return (key(before), key(n));
            }
        }
        unreachable!("2^32 keys without a collision of 32 bits")
    }

    /// A key that everybody shares, and that was made later, has the id of a destroyed one.
    #[test]
    fn a_value_of_a_destroyed_key_is_forgotten_whoever_has_its_id() {
        let (shared, gone) = colliding();
        let (place, id) = (Context::new("t.v"), gone.id());
        let token = |key: Key| {
            let ring = Keyring::new(key, vec![]).unwrap();
            seal_one(&ring, Suite::Xaes256Gcm, 0, Form::Text, &place, b"value").unwrap()
        };
        let theirs = token(gone);
        let everybodys = token(Key::copied_from(shared.expose_secret()));
        let ring = Ring {
            destroyed: vec![id],
            ..Ring::without_keys(&Keyring::new(shared, vec![]).unwrap())
        };
        let read = |token: &[u8]| {
            let mut clear = Vec::new();
            FieldOpener::new(&ring.keyring).read(Form::Text, &place, token, &mut clear)
        };
        assert!(ring.is_forgotten(&read(&theirs)));
        assert!(matches!(read(&everybodys), Stored::Sealed(_)));
        assert!(!ring.is_forgotten(&read(&everybodys)));
        assert!(!ring.is_forgotten(&read(&token(Key::from_bytes([8; 32])))));
    }
}
