//! The keys in force: one that encrypts, and any number that only decrypt.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::cbc_hmac::CbcHmac;
use crate::fernet::FernetKey;
use crate::xaes::Xaes256Gcm;
use crate::{Key, KeyId, Purpose, hash_mac};

/// One primary key and the previous ones. Cloning shares it.
///
/// ```
/// use atrest_core::{Key, Keyring};
/// let (new, old) = (Key::generate()?, Key::generate()?);
/// let ids = [new.id(), old.id()];
/// let keyring = Keyring::new(new, vec![old])?;
/// assert_eq!(keyring.primary().id(), ids[0]);
/// assert_eq!(keyring.keys().map(|k| k.id()).collect::<Vec<_>>(), ids);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keyring(Arc<Ring>);

struct Ring {
    primary: Member,
    previous: Vec<Member>,
    /// Its keys come last.
    behind: Option<Keyring>,
}

/// A key with its schedules, each computed at the first use.
pub(crate) struct Member {
    pub(crate) key: Key,
    xaes: OnceLock<Xaes256Gcm>,
    fernet: OnceLock<FernetKey>,
    cbc_hmac: OnceLock<CbcHmac>,
}

/// Why keys cannot share a keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Two entries with one id.
    #[error("{}", duplicate(*.id, *.same_key))]
    DuplicateId {
        /// The id.
        id: KeyId,
        /// The very same key twice, rather than two keys that share an id by chance.
        same_key: bool,
    },
}

fn duplicate(id: KeyId, same_key: bool) -> String {
    if same_key {
        format!("the key {id} stands in the keyring twice; name it once, as primary or as previous")
    } else {
        format!(
            "two different keys have the id {id} (a chance of one in four billion), so a token \
             could not say which one sealed it; replace the newer one with a fresh key from \
             `atrest key generate`"
        )
    }
}

impl Keyring {
    /// A keyring that encrypts with `primary` and decrypts with all of them.
    ///
    /// # Errors
    /// When two keys have one id.
    pub fn new(primary: Key, previous: Vec<Key>) -> Result<Self, KeyringError> {
        Self::of(primary, previous, None)
    }

    /// A keyring that encrypts with `primary`, and decrypts with it, with `previous`
    /// and with every key of this one, whose schedules it shares: the keyring of one
    /// subject.
    ///
    /// ```
    /// use atrest_core::{Key, Keyring};
    /// let all = Keyring::new(Key::generate()?, vec![])?;
    /// let one = all.behind(Key::generate()?, vec![])?;
    /// assert_ne!(one.primary().id(), all.primary().id());
    /// assert!(one.get(all.primary().id()).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When two keys have one id.
    pub fn behind(&self, primary: Key, previous: Vec<Key>) -> Result<Self, KeyringError> {
        Self::of(primary, previous, Some(self.clone()))
    }

    fn of(primary: Key, previous: Vec<Key>, behind: Option<Self>) -> Result<Self, KeyringError> {
        let mut before: Vec<&Key> = behind.iter().flat_map(Self::keys).collect();
        for key in std::iter::once(&primary).chain(&previous) {
            if let Some(twin) = before.iter().find(|k| k.id() == key.id()) {
                let same_key = hash_mac::equal(twin.expose_secret(), key.expose_secret());
                return Err(KeyringError::DuplicateId {
                    id: key.id(),
                    same_key,
                });
            }
            before.push(key);
        }
        Ok(Self(Arc::new(Ring {
            primary: Member::new(primary),
            previous: previous.into_iter().map(Member::new).collect(),
            behind,
        })))
    }

    /// Computes every key's schedules now rather than at the first use: a process that
    /// forks while a thread computes one would leave its child waiting for that thread.
    pub fn prepare(&self) {
        for member in self.members() {
            member.xaes();
            member.fernet();
            member.cbc_hmac();
        }
    }

    /// The key that encrypts.
    #[must_use]
    pub fn primary(&self) -> &Key {
        &self.0.primary.key
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.member(id).map(|m| &m.key)
    }

    /// Every key, the primary first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.members().map(|m| &m.key)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        let rings = std::iter::successors(Some(self), |keyring| keyring.0.behind.as_ref());
        rings.flat_map(|Self(ring)| std::iter::once(&ring.primary).chain(&ring.previous))
    }

    pub(crate) fn member(&self, id: KeyId) -> Option<&Member> {
        self.members().find(|m| m.key.id() == id)
    }

    pub(crate) fn primary_member(&self) -> &Member {
        &self.0.primary
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")?;
        f.debug_list().entries(self.keys().map(Key::id)).finish()
    }
}

impl Member {
    const fn new(key: Key) -> Self {
        Self {
            key,
            xaes: OnceLock::new(),
            fernet: OnceLock::new(),
            cbc_hmac: OnceLock::new(),
        }
    }

    pub(crate) fn xaes(&self) -> &Xaes256Gcm {
        self.xaes
            .get_or_init(|| Xaes256Gcm::of(&self.key, Purpose::FieldXaes256Gcm))
    }

    pub(crate) fn fernet(&self) -> &FernetKey {
        self.fernet
            .get_or_init(|| FernetKey::new(self.key.expose_secret()))
    }

    pub(crate) fn cbc_hmac(&self) -> &CbcHmac {
        self.cbc_hmac
            .get_or_init(|| CbcHmac::of(&self.key, Purpose::FieldA256CbcHs512))
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyring, KeyringError};
    use crate::Key;

    #[test]
    fn the_same_key_twice_is_refused() {
        let id = Key::from_bytes([7; 32]).id();
        let key = || Key::from_bytes([7; 32]);
        let other = || Key::from_bytes([8; 32]);
        for (primary, previous) in [
            (key(), vec![key()]),
            (other(), vec![key(), key()]),
            (key(), vec![other(), key()]),
        ] {
            let error = Keyring::new(primary, previous).unwrap_err();
            assert_eq!(error, KeyringError::DuplicateId { id, same_key: true });
            assert!(error.to_string().contains("twice"), "{error}");
        }
    }

    /// Two keys with one id, found by search among SHA-256 counters.
    #[test]
    fn two_keys_with_one_id_are_refused() {
        let (a, b) = colliding();
        let id = a.id();
        assert_ne!(a.expose_secret(), b.expose_secret());
        let error = Keyring::new(a, vec![b]).unwrap_err();
        assert_eq!(
            error,
            KeyringError::DuplicateId {
                id,
                same_key: false
            }
        );
        assert!(error.to_string().contains("two different keys"), "{error}");
    }

    fn colliding() -> (Key, Key) {
        let key = |n: u32| {
            let mut bytes = [0; 32];
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

    #[test]
    fn behind_another_an_id_is_still_one_keys() {
        let (a, b) = colliding();
        let id = a.id();
        let all = Keyring::new(a, vec![]).unwrap();
        for (key, same_key) in [
            (b, false),
            (Key::from_bytes(*all.primary().expose_secret()), true),
        ] {
            let error = all.behind(Key::from_bytes([7; 32]), vec![key]).unwrap_err();
            assert_eq!(error, KeyringError::DuplicateId { id, same_key });
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let keyring = Keyring::new(Key::from_bytes([7; 32]), vec![]).unwrap();
        assert_eq!(
            format!("{keyring:?}"),
            format!("Keyring[{}]", keyring.primary().id())
        );
    }
}
