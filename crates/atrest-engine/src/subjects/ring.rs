//! The keyring of one subject.

use atrest_core::{KeyId, Keyring, Stored};

/// A subject's keys, before the keys that everybody shares.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Opens what is the subject's; seals for it only where [`Self::own`] is some.
    pub(crate) keyring: Keyring,
    /// The key that the subject's values are sealed under.
    pub(crate) own: Option<KeyId>,
    /// The subject's keys that open, [`Self::own`] first.
    pub(crate) keys: Vec<KeyId>,
    /// Keys that are no more, or are never to be used again.
    pub(crate) destroyed: Vec<KeyId>,
    /// Keys that are not used while the subject is to be forgotten, which can be taken back.
    pub(crate) suspended: Vec<KeyId>,
    /// Keys that are there, and that no key of the keyring unwraps.
    pub(crate) closed: Vec<Closed>,
    /// The subject is being forgotten: no key is made for it.
    pub(crate) forgotten: bool,
}

/// A key of a subject that cannot be unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) id: KeyId,
    /// The key that wraps it, where it is named.
    pub(crate) under: Option<KeyId>,
}

/// How far the erasure of a value has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// It was asked for. Its key is not used, and is there: it can be taken back.
    Asked,
    /// Its key is destroyed.
    Done,
}

impl Ring {
    /// Of a subject that has no keys: what is there was sealed before it had, if it is.
    pub(crate) fn without_keys(shared: &Keyring) -> Self {
        Self {
            keyring: shared.clone(),
            own: None,
            keys: Vec::new(),
            destroyed: Vec::new(),
            suspended: Vec::new(),
            closed: Vec::new(),
            forgotten: false,
        }
    }

    /// Whether nothing is sealed for the subject: it is being forgotten, or keys of it do
    /// not open, beside which it is to get no other.
    pub(crate) fn is_withheld(&self) -> bool {
        self.forgotten || !self.closed.is_empty()
    }

    /// Whether there is a key to seal with, or none is to be made; nobody else's will do.
    pub(crate) fn is_settled(&self) -> bool {
        self.own.is_some() || self.is_withheld()
    }

    /// Whether a key is one of the subject's.
    pub(crate) fn is_own(&self, key: KeyId) -> bool {
        self.keys.contains(&key)
    }

    /// How far the erasure of what a key sealed has come; `None`: nobody asked for it.
    pub(crate) fn erasure_of(&self, key: KeyId) -> Option<Erasure> {
        match (self.suspended.contains(&key), self.destroyed.contains(&key)) {
            (true, _) => Some(Erasure::Asked),
            (false, true) => Some(Erasure::Done),
            (false, false) => None,
        }
    }

    /// The same of what names no key, as Fernet's tokens, and does not open.
    pub(crate) fn erasure(&self) -> Option<Erasure> {
        match (self.suspended.is_empty(), self.destroyed.is_empty()) {
            (false, _) => Some(Erasure::Asked),
            // It may be of a key that is there.
            (true, false) if self.closed.is_empty() => Some(Erasure::Done),
            (true, _) => None,
        }
    }

    /// How far the erasure of a value has come that does not open.
    pub(crate) fn erased(&self, stored: &Stored) -> Option<Erasure> {
        match stored {
            // Whether somebody else has a key of that id, by chance, tells nothing.
            Stored::Undecryptable(value) => match value.key {
                Some(id) => self.erasure_of(id),
                None => self.erasure(),
            },
            _ => None,
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
        assert_eq!(ring.erased(&read(&theirs)), Some(Erasure::Done));
        assert!(matches!(read(&everybodys), Stored::Sealed(_)));
        assert_eq!(ring.erased(&read(&everybodys)), None);
        assert_eq!(ring.erased(&read(&token(Key::from_bytes([8; 32])))), None);
    }
}
