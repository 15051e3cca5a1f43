//! A keyring whose keys were opened with its root.

use std::fmt;

use atrest_core::{Context, Key, KeyId, KeyWrapper, Keyring, Purpose, hazmat::Mac};
use jiff::Timestamp;

use super::document::{
    Document, Forgotten, KeyEntry, KeyPurpose, KeyState, key_context, root_context,
};
use super::error::KeyringError;
use super::read::{self, Parsed};
use crate::{Environment, KeySource};

/// A keyring, authenticated, with its keys in memory.
pub struct OpenKeyring {
    pub(super) document: Document,
    pub(super) keyring_key: Key,
    data: Keyring,
    subjects: Option<Keyring>,
    index: Option<Key>,
    /// Ids that keys outside of it have.
    pub(super) taken: Vec<KeyId>,
    /// The newest generation that anybody remembers, where it is not this one.
    pub(super) floor: u64,
    /// What messages call it.
    pub(super) origin: String,
}

impl OpenKeyring {
    /// Opens a keyring's text with its root, which is asked once. `uri` is the root's,
    /// as the policy names it; `origin` is what messages call the keyring.
    ///
    /// # Errors
    /// [`KeyringError::Root`] when the root does not open it or cannot be asked,
    /// [`KeyringError::Damaged`] and its like when it is not what was written.
    pub fn open(
        text: &str,
        origin: &str,
        root: &dyn KeySource,
        uri: &str,
        env: &Environment,
    ) -> Result<Self, KeyringError> {
        let parsed = read::parse(text, origin)?;
        let wrapped = &parsed.document.wrapped;
        let keyring_key = root
            .unwrap_key(wrapped, &root_context(), env)
            .map_err(|source| KeyringError::Root {
                origin: origin.to_owned(),
                written_under: parsed.document.source == uri,
                wrapped_by: parsed.document.source.clone(),
                source: Box::new(source),
            })?;
        if !is_authentic(&parsed, &keyring_key) {
            return Err(damaged(
                origin,
                "it was changed after it was written, or is another keyring's",
            ));
        }
        Self::from_document(parsed.document, keyring_key, origin)
    }

    /// Opens a keyring's text with the keyring key itself, as recovery shares give it.
    ///
    /// # Errors
    /// [`KeyringError::NotByShares`] when this key does not authenticate it;
    /// [`KeyringError::Damaged`] and its like.
    pub fn open_with(text: &str, origin: &str, keyring_key: Key) -> Result<Self, KeyringError> {
        let parsed = read::parse(text, origin)?;
        if !is_authentic(&parsed, &keyring_key) {
            return Err(KeyringError::NotByShares {
                origin: origin.to_owned(),
            });
        }
        Self::from_document(parsed.document, keyring_key, origin)
    }

    /// Opens the keys of a document that is authentic, or our own.
    pub(super) fn from_document(
        document: Document,
        keyring_key: Key,
        origin: &str,
    ) -> Result<Self, KeyringError> {
        let wrapper = KeyWrapper::new(&keyring_key);
        let open = |entry: &KeyEntry| -> Result<Option<Key>, KeyringError> {
            let Some(wrapped) = &entry.wrapped else {
                return Ok(None);
            };
            let place: Context = key_context(entry.purpose, entry.created);
            match wrapper.unwrap(wrapped, &place) {
                Ok(key) if key.id() == entry.id => Ok(Some(key)),
                _ => Err(damaged(
                    origin,
                    &format!("the key {} does not open", entry.id),
                )),
            }
        };
        let ring = |purpose| -> Result<Option<Keyring>, KeyringError> {
            let (mut active, mut others) = (None, Vec::new());
            // The newest first: it has most of what is still to be rotated.
            for entry in document.keys.iter().rev().filter(|k| k.purpose == purpose) {
                match open(entry)? {
                    Some(key) if entry.state == KeyState::Active => active = Some(key),
                    Some(key) => others.push(key),
                    None => {}
                }
            }
            let ring = active.map(|key| Keyring::new(key, others)).transpose();
            ring.map_err(|error| damaged(origin, &error.to_string()))
        };
        let data = ring(KeyPurpose::Data)?
            .ok_or_else(|| damaged(origin, "it has no active key for data"))?;
        let subjects = ring(KeyPurpose::Subjects)?;
        let index = document
            .keys
            .iter()
            .find(|k| k.purpose == KeyPurpose::Index && k.state == KeyState::Active)
            .map(open)
            .transpose()?
            .flatten();
        Ok(Self {
            document,
            keyring_key,
            data,
            subjects,
            index,
            taken: Vec::new(),
            floor: 0,
            origin: origin.to_owned(),
        })
    }

    /// With the ids of keys outside of it, which no new key may have.
    #[must_use]
    pub fn avoiding(mut self, ids: impl IntoIterator<Item = KeyId>) -> Self {
        self.taken.extend(ids);
        self
    }

    /// With a generation that its next change must lie above: an older keyring was put
    /// back on purpose, and somebody remembers a newer one.
    #[must_use]
    pub fn above(mut self, generation: u64) -> Self {
        self.floor = self.floor.max(generation);
        self
    }

    /// How often it was changed; the first is 1.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.document.generation
    }

    /// When it was last changed.
    #[must_use]
    pub const fn written(&self) -> Timestamp {
        self.document.written
    }

    /// The keyring's own public name: the id of the key that wraps its keys.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.keyring_key.id()
    }

    /// The URI of the root that wrapped it last.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.document.source
    }

    /// What messages call it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Every key that there ever was, in the order of their making.
    #[must_use]
    pub fn entries(&self) -> &[KeyEntry] {
        &self.document.keys
    }

    /// The key of this id, destroyed or not.
    #[must_use]
    pub fn entry(&self, id: KeyId) -> Option<&KeyEntry> {
        self.document.keys.iter().find(|key| key.id == id)
    }

    /// The active key's entry, where there is one.
    #[must_use]
    pub fn active(&self, purpose: KeyPurpose) -> Option<&KeyEntry> {
        let of = |key: &&KeyEntry| key.purpose == purpose && key.state == KeyState::Active;
        self.document.keys.iter().find(of)
    }

    /// The keys that seal and open values and files, the active one first.
    #[must_use]
    pub const fn data(&self) -> &Keyring {
        &self.data
    }

    /// The keys that wrap the keys of data subjects, the active one first; none before
    /// they were asked for ([`Self::ensure`]).
    #[must_use]
    pub const fn subjects(&self) -> Option<&Keyring> {
        self.subjects.as_ref()
    }

    /// The key that makes subjects' tags; none before it was asked for.
    #[must_use]
    pub const fn index(&self) -> Option<&Key> {
        self.index.as_ref()
    }

    /// The data subjects that were forgotten.
    #[must_use]
    pub fn forgotten(&self) -> &[Forgotten] {
        &self.document.forgotten
    }

    /// The keyring key, for splitting it into recovery shares. It opens everything.
    #[must_use]
    pub const fn expose_keyring_key(&self) -> &Key {
        &self.keyring_key
    }

    /// Whether two say and open the same.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.document == other.document && self.keyring_key.id() == other.keyring_key.id()
    }
}

/// Whether a document's MAC is by this keyring key.
fn is_authentic(parsed: &Parsed<'_>, keyring_key: &Key) -> bool {
    let mac = Mac::new(keyring_key, Purpose::Keyring);
    mac.verify(&[parsed.signed.as_bytes()], &parsed.mac)
}

fn damaged(origin: &str, problem: &str) -> KeyringError {
    KeyringError::Damaged {
        origin: origin.to_owned(),
        problem: problem.to_owned(),
    }
}

impl fmt::Debug for OpenKeyring {
    /// Without wrapped keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenKeyring")
            .field("origin", &self.origin)
            .field("generation", &self.document.generation)
            .field("data", &self.data)
            .field("subjects", &self.subjects)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
