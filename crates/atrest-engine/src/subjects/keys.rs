//! The keys of one subject, for what is sealed outside of the engine: files, and the
//! values of an application.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use atrest_core::{KeyId, Keyring};
use jiff::Timestamp;

use super::ring::{Closed, Erasure, Ring};
use super::{SubjectError, Subjects};

/// The keys of one subject. Cloning shares them.
#[derive(Clone)]
pub struct SubjectKeys {
    tag: Arc<str>,
    ring: Arc<Ring>,
}

impl SubjectKeys {
    /// Opens what is the subject's, and what was sealed under the shared keys before it
    /// had its own. It seals for the subject only where [`Self::own`] is some.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.ring.keyring
    }

    /// The key that the subject's values and files are sealed under: the primary key of
    /// [`Self::keyring`]. `None`: it is not made yet, or the subject is being forgotten.
    #[must_use]
    pub fn own(&self) -> Option<KeyId> {
        self.ring.own
    }

    /// Whether a key is one of the subject's.
    #[must_use]
    pub fn is_own(&self, key: KeyId) -> bool {
        self.ring.is_own(key)
    }

    /// How far the erasure of what this key sealed has come; `None`: it is not the
    /// subject's, or nobody asked for it.
    #[must_use]
    pub fn erasure_of(&self, key: KeyId) -> Option<Erasure> {
        self.ring.erasure_of(key)
    }

    /// [`Self::erasure_of`] what does not open and names no key, as Fernet's tokens.
    #[must_use]
    pub fn erasure(&self) -> Option<Erasure> {
        self.ring.erasure()
    }

    /// Whether the subject is being forgotten: no key is made for it.
    #[must_use]
    pub fn is_being_forgotten(&self) -> bool {
        self.ring.forgotten
    }

    /// Whether the subject has keys that the keyring does not open: what they sealed does
    /// not open, and nothing is sealed for it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.ring.closed.is_empty()
    }

    /// Why a key of the subject is not at hand, which is there and does not open;
    /// `None`: it opens, or is none of the subject's.
    #[must_use]
    pub fn closed(&self, key: KeyId) -> Option<SubjectError> {
        let closed = self.ring.closed.iter().find(|closed| closed.id == key)?;
        Some(self.wrapped(closed))
    }

    fn wrapped(&self, closed: &Closed) -> SubjectError {
        SubjectError::Wrapped {
            tag: self.tag.to_string(),
            id: closed.under,
        }
    }

    /// The subject's tag: it names the subject to who has the index key, and nobody else.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The keyring, to seal with.
    ///
    /// # Errors
    /// [`SubjectError::Forgetting`]; [`SubjectError::Wrapped`] where keys of the subject
    /// do not open; [`SubjectError::NotKept`] where [`Subjects::keyrings`] was not told to
    /// make keys.
    pub fn sealing(&self) -> Result<&Keyring, SubjectError> {
        let tag = self.tag.to_string();
        match (self.ring.own, self.ring.closed.first()) {
            (Some(_), _) => Ok(&self.ring.keyring),
            (None, Some(closed)) => Err(self.wrapped(closed)),
            (None, None) if self.ring.forgotten => Err(SubjectError::Forgetting { tag }),
            (None, None) => Err(SubjectError::NotKept { tag }),
        }
    }
}

impl fmt::Debug for SubjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKeys")
            .field("tag", &self.tag)
            .field("own", &self.ring.own)
            .finish_non_exhaustive()
    }
}

impl Subjects {
    /// The keys of each of these subjects, in one request to the database for those that
    /// are not in memory. With `make`, each of them has a key to seal with (unless it is
    /// being forgotten), which is durable and was read back.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`], [`SubjectError::NotKept`].
    pub async fn keyrings<'s>(
        &self,
        subjects: impl IntoIterator<Item = &'s str>,
        make: bool,
    ) -> Result<HashMap<String, SubjectKeys>, SubjectError> {
        let subjects: BTreeSet<&str> = subjects.into_iter().collect();
        let subjects = Vec::from_iter(subjects);
        let rings = self.rings(&subjects, make, Timestamp::now()).await?;
        let keys = |(subject, ring): (&str, Arc<Ring>)| {
            let tag = Arc::from(self.tag(subject));
            (subject.to_owned(), SubjectKeys { tag, ring })
        };
        Ok(subjects.into_iter().zip(rings).map(keys).collect())
    }

    /// The keys that are everybody's.
    #[must_use]
    pub const fn shared(&self) -> &Keyring {
        &self.shared
    }

    /// Lets go of what is in memory of a subject: the next request asks the database.
    pub fn refresh(&self, subject: &str) {
        self.kept.remove(subject);
    }
}
