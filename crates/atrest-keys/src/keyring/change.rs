//! Changes of a keyring: each makes a whole new document, which then takes the place of
//! the old one.

use std::collections::HashSet;
use std::fmt;

use atrest_core::{Key, KeyId, KeyWrapper, RandomError};
use jiff::Timestamp;

use super::document::{
    Document, Forgotten, KeyEntry, KeyPurpose, KeyState, key_context, whole_seconds,
};
use super::error::KeyringError;
use super::open::OpenKeyring;
use super::rewrap::wrap_key;
use super::store::KeyringStore;
use crate::{Environment, KeySource};

/// A document that a change made; nothing holds it yet.
#[must_use = "a change is nothing until it is stored"]
pub struct NewKeyring {
    /// The generation that it was made from; 0: none.
    expected: u64,
    text: String,
    opened: OpenKeyring,
    /// The key that the change is about.
    key: Option<KeyId>,
    /// Whether documents before it hold a key that it destroyed.
    destroys: bool,
}

impl NewKeyring {
    /// The generation of the document that it takes the place of; 0: there is none.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.expected
    }

    /// The document's text, for [`KeyringStore::replace`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key that was made or changed.
    #[must_use]
    pub const fn key(&self) -> Option<KeyId> {
        self.key
    }

    /// The keyring that it makes.
    #[must_use]
    pub const fn opened(&self) -> &OpenKeyring {
        &self.opened
    }

    /// The same change of an older keyring that is to be the newest from now on: above
    /// generation `newest`, and with the tombstones that somebody else still knows.
    ///
    /// # Errors
    /// As [`OpenKeyring::forget`].
    pub fn settling(
        self,
        newest: u64,
        forgotten: impl IntoIterator<Item = Forgotten>,
    ) -> Result<Self, KeyringError> {
        let before = self.opened;
        let mut document = before.document;
        for Forgotten { tag, keys, at } in forgotten {
            bury(&mut document, &tag, &keys, at)?;
        }
        document.generation = document.generation.max(newest.saturating_add(1));
        let text = document.text(&before.keyring_key)?;
        let (keyring_key, taken) = (before.keyring_key, before.taken);
        let opened = OpenKeyring::from_document(document, keyring_key, &before.origin)?;
        Ok(Self {
            text,
            opened: opened.avoiding(taken),
            ..self
        })
    }

    /// Puts it in the place of the document that it was made from, reads it back from
    /// there, opens that with `root`, and compares: its keys may seal from then on.
    ///
    /// # Errors
    /// Those of [`KeyringStore`]; [`KeyringError::NotReadBack`].
    pub async fn store(
        self,
        store: &dyn KeyringStore,
        root: &dyn KeySource,
        env: &Environment,
    ) -> Result<OpenKeyring, KeyringError> {
        store.replace(self.expected, &self.text).await?;
        let origin = store.name();
        let Some(text) = store.load().await? else {
            return Err(KeyringError::NotReadBack { origin });
        };
        let uri = &self.opened.document.source;
        let back = OpenKeyring::open(&text, &origin, root, uri, env)?;
        if text != self.text || !back.same_as(&self.opened) {
            // Somebody else may have changed it since, and then has what we made.
            let newer = back.generation() > self.opened.generation();
            let has = |id| {
                back.entry(id)
                    .is_some_and(|e| e.state != KeyState::Destroyed)
            };
            if !newer || self.key.is_some_and(|id| !self.destroys && !has(id)) {
                return Err(KeyringError::NotReadBack { origin });
            }
        }
        if self.destroys {
            store.prune(self.opened.generation()).await?;
        }
        Ok(back.avoiding(self.opened.taken))
    }
}

impl fmt::Debug for NewKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewKeyring").field(&self.opened).finish()
    }
}

impl OpenKeyring {
    /// A keyring with its first data key, under `root`, whose URI is `uri`. No key
    /// gets an id of `taken`.
    ///
    /// # Errors
    /// What the root says, or that there are no random bytes.
    pub fn create(
        root: &dyn KeySource,
        uri: &str,
        env: &Environment,
        now: Timestamp,
        taken: &[KeyId],
    ) -> Result<NewKeyring, KeyringError> {
        let keyring_key = Key::generate()?;
        let mut document = Document {
            generation: 0,
            written: whole_seconds(now),
            source: uri.to_owned(),
            wrapped: wrap_key(&keyring_key, root, env)?,
            keys: Vec::new(),
            forgotten: Vec::new(),
        };
        let is_taken = |id: &KeyId| taken.contains(id);
        let key = add_key(
            &mut document,
            &keyring_key,
            KeyPurpose::Data,
            now,
            &is_taken,
        )?;
        let mut new = finish(document, keyring_key, "the new keyring", now, taken, 0)?;
        new.key = Some(key);
        Ok(new)
    }

    /// A new active key; the one before it only opens from now on.
    ///
    /// # Errors
    /// [`KeyringError::NotRotated`] for [`KeyPurpose::Index`].
    pub fn rotate(&self, purpose: KeyPurpose, now: Timestamp) -> Result<NewKeyring, KeyringError> {
        self.rotate_beside(purpose, now, &HashSet::new())
    }

    /// [`Self::rotate`], where many other keys have these ids: those of data subjects.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub fn rotate_beside(
        &self,
        purpose: KeyPurpose,
        now: Timestamp,
        others: &HashSet<KeyId>,
    ) -> Result<NewKeyring, KeyringError> {
        if purpose == KeyPurpose::Index && self.index().is_some() {
            return Err(KeyringError::NotRotated(purpose));
        }
        self.change(now, |document| {
            let changed = later(document.written, now);
            let active =
                |key: &&mut KeyEntry| key.purpose == purpose && key.state == KeyState::Active;
            for key in document.keys.iter_mut().filter(active) {
                key.state = KeyState::DecryptOnly;
                key.changed = changed;
            }
            let taken = |id: &KeyId| self.taken.contains(id) || others.contains(id);
            add_key(document, &self.keyring_key, purpose, now, &taken).map(Some)
        })
    }

    /// The first key of a purpose, where there is none yet.
    ///
    /// # Errors
    /// That there are no random bytes.
    pub fn ensure(
        &self,
        purpose: KeyPurpose,
        now: Timestamp,
    ) -> Result<Option<NewKeyring>, KeyringError> {
        match self.active(purpose) {
            Some(_) => Ok(None),
            None => self.rotate(purpose, now).map(Some),
        }
    }

    /// Makes an old key the active one again; the one that is active only opens from
    /// then on. To `DecryptOnly` a key comes by that, and to `Destroyed` by
    /// [`Self::destroy`].
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`], and [`KeyringError::State`] for what would leave a
    /// purpose without an active key, or bring a destroyed one back.
    pub fn set_state(
        &self,
        id: KeyId,
        state: KeyState,
        now: Timestamp,
    ) -> Result<NewKeyring, KeyringError> {
        let entry = self.entry(id).ok_or(KeyringError::NoSuchKey { id })?;
        let refused = KeyringError::State {
            id,
            state: entry.state,
        };
        let purpose = entry.purpose;
        match (entry.state, state) {
            (_, KeyState::Destroyed) => return self.destroy(id, now),
            (before, after) if before == after => {}
            (KeyState::DecryptOnly, KeyState::Active) => {}
            _ => return Err(refused),
        }
        self.change(now, |document| {
            let changed = later(document.written, now);
            for key in document.keys.iter_mut().filter(|k| k.purpose == purpose) {
                let after = match key.state {
                    _ if key.id == id => state,
                    KeyState::Active if state == KeyState::Active => KeyState::DecryptOnly,
                    other => other,
                };
                if after != key.state {
                    key.state = after;
                    key.changed = changed;
                }
            }
            Ok(Some(id))
        })
    }

    /// Destroys a key: what it sealed never opens again, but by older copies of the
    /// keyring. Of a key that is destroyed already only older copies go.
    ///
    /// # Errors
    /// [`KeyringError::NoSuchKey`], and [`KeyringError::State`] for an active one.
    pub fn destroy(&self, id: KeyId, now: Timestamp) -> Result<NewKeyring, KeyringError> {
        let entry = self.entry(id).ok_or(KeyringError::NoSuchKey { id })?;
        if entry.state == KeyState::Active {
            return Err(KeyringError::State {
                id,
                state: entry.state,
            });
        }
        let mut new = self.change(now, |document| {
            let changed = later(document.written, now);
            for key in document.keys.iter_mut().filter(|key| key.id == id) {
                if key.state != KeyState::Destroyed {
                    key.state = KeyState::Destroyed;
                    key.changed = changed;
                    key.wrapped = None;
                }
            }
            Ok(Some(id))
        })?;
        new.destroys = true;
        Ok(new)
    }

    /// Writes down that a data subject's keys were destroyed.
    ///
    /// # Errors
    /// [`KeyringError::Subject`] when the tag is not lower-case hex. A subject that was
    /// forgotten before keeps the keys that stand there.
    pub fn forget(
        &self,
        tag: &str,
        keys: &[KeyId],
        at: Timestamp,
    ) -> Result<NewKeyring, KeyringError> {
        self.change(at, |document| {
            bury(document, tag, keys, at)?;
            Ok(None)
        })
    }

    /// Takes back that a data subject was forgotten.
    ///
    /// # Errors
    /// [`KeyringError::Subject`] when it was not.
    pub fn unforget(&self, tag: &str, now: Timestamp) -> Result<NewKeyring, KeyringError> {
        if !self.forgotten().iter().any(|f| f.tag == tag) {
            return Err(KeyringError::Subject {
                tag: tag.to_owned(),
                problem: "was not forgotten",
            });
        }
        self.change(now, |document| {
            document.forgotten.retain(|f| f.tag != tag);
            Ok(None)
        })
    }

    pub(super) fn change(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Document) -> Result<Option<KeyId>, KeyringError>,
    ) -> Result<NewKeyring, KeyringError> {
        let mut document = self.document.clone();
        let key = change(&mut document)?;
        let keyring_key = Key::copied_from(self.keyring_key.expose_secret());
        let (taken, floor) = (&self.taken, self.floor);
        let mut new = finish(document, keyring_key, &self.origin, now, taken, floor)?;
        new.key = key;
        Ok(new)
    }
}

/// Adds a tombstone, or to the one that is there.
fn bury(
    document: &mut Document,
    tag: &str,
    keys: &[KeyId],
    at: Timestamp,
) -> Result<(), KeyringError> {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if tag.is_empty() || !tag.bytes().all(hex) {
        return Err(KeyringError::Subject {
            tag: "(not shown)".to_owned(),
            problem: "has a tag that is not lower-case hex",
        });
    }
    let there = document.forgotten.iter().position(|f| f.tag == tag);
    let place = there.unwrap_or_else(|| {
        document.forgotten.push(Forgotten {
            tag: tag.to_owned(),
            keys: Vec::new(),
            at: whole_seconds(at),
        });
        document.forgotten.len() - 1
    });
    let stone = &mut document.forgotten[place];
    for key in keys {
        if !stone.keys.contains(key) {
            stone.keys.push(*key);
        }
    }
    Ok(())
}

/// The next generation with this in it.
pub(super) fn finish(
    mut document: Document,
    keyring_key: Key,
    origin: &str,
    now: Timestamp,
    taken: &[KeyId],
    floor: u64,
) -> Result<NewKeyring, KeyringError> {
    let expected = document.generation;
    document.generation = expected.max(floor) + 1;
    document.written = later(document.written, now);
    let text = document.text(&keyring_key)?;
    let opened = OpenKeyring::from_document(document, keyring_key, origin)?;
    Ok(NewKeyring {
        expected,
        text,
        opened: opened.avoiding(taken.iter().copied()),
        key: None,
        destroys: false,
    })
}

/// A new active key with an id that no other key has or had.
fn add_key(
    document: &mut Document,
    keyring_key: &Key,
    purpose: KeyPurpose,
    now: Timestamp,
    taken: &dyn Fn(&KeyId) -> bool,
) -> Result<KeyId, KeyringError> {
    let newest = document.keys.iter().map(|key| key.created).max();
    let created = newest.map_or(whole_seconds(now), |newest| later(newest, now));
    let key = fresh(Key::generate, |id| {
        taken(id) || *id == keyring_key.id() || document.keys.iter().any(|key| key.id == *id)
    })?;
    let id = key.id();
    let wrapped = KeyWrapper::new(keyring_key).wrap(&key, &key_context(purpose, created))?;
    document.keys.push(KeyEntry {
        id,
        created,
        state: KeyState::Active,
        purpose,
        changed: created,
        wrapped: Some(wrapped),
    });
    Ok(id)
}

/// A key whose id is not taken.
fn fresh(
    mut make: impl FnMut() -> Result<Key, RandomError>,
    taken: impl Fn(&KeyId) -> bool,
) -> Result<Key, KeyringError> {
    loop {
        let key = make()?;
        if !taken(&key.id()) {
            return Ok(key);
        }
    }
}

/// Time that never goes backwards, whatever the clock does.
fn later(before: Timestamp, now: Timestamp) -> Timestamp {
    before.max(whole_seconds(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By chance a new key has the id of another one: it is not taken.
    #[test]
    fn a_key_with_an_id_that_is_taken_is_not_used() {
        let others = HashSet::from([Key::from_bytes([1; 32]).id(), Key::from_bytes([2; 32]).id()]);
        let mut made = [1, 2, 1, 3]
            .map(|byte| Key::from_bytes([byte; 32]))
            .into_iter();
        let next = || {
            made.next()
                .ok_or_else(|| unreachable!("more keys than are needed"))
        };
        let key = fresh(next, |id| others.contains(id)).unwrap();
        assert_eq!(key.id(), Key::from_bytes([3; 32]).id());
    }
}
