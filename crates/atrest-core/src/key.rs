//! A key: 32 secret bytes with a name.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::{
    KeyId, KeyParseError, Purpose, RandomError, SecretBytes, base64, fill_random, hash_mac, hkdf,
    key_parse, stack,
};

/// 32 secret bytes; wiped when dropped, not cloned, shown by their id only.
///
/// ```
/// use atrest_core::Key;
/// let key = Key::generate()?;
/// let printed = key.to_base64url(); // what Fernet.generate_key() prints, too
/// assert_eq!(Key::parse(&printed)?.id(), key.id());
/// assert_eq!(format!("{key:?}"), format!("Key({})", key.id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Key {
    secret: SecretBytes,
    id: KeyId,
}

impl Key {
    /// A new random key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        SecretBytes::filled_by(|bytes| fill_random(bytes)).map(Self::from_secret)
    }

    /// The key with these bytes, of which the caller's own copies stay behind:
    /// [`copied_from`](Self::copied_from) leaves none on the way.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self::copied_from(&bytes);
        bytes.zeroize();
        key
    }

    /// The key with these bytes, copied once from where they are.
    #[must_use]
    pub fn copied_from(bytes: &[u8; 32]) -> Self {
        Self::from_secret(SecretBytes::copied_from(bytes))
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_secret(secret: SecretBytes) -> Self {
        let mut key = Self {
            secret,
            id: KeyId([0; 4]),
        };
        key.id = KeyId(*key.derive(Purpose::KeyId));
        key
    }

    /// Reads a key as people write it: base64url or base64 of 32 bytes, padded or
    /// not; 64 hex digits; or a Python bytes literal (`b'...'`) round either.
    /// White space around it does not count.
    ///
    /// # Errors
    /// Says what is wrong and how to make a good key; never the value.
    pub fn parse(text: &str) -> Result<Self, KeyParseError> {
        key_parse::parse(text).map(Self::from_secret)
    }

    /// The key's public name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The secret bytes themselves. Everything but the `fernet` suite, and code
    /// that stores keys, wants [`derive`](Self::derive).
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; 32] {
        self.secret.expose_secret()
    }

    /// The secret in padded base64url: 44 characters, what Python's
    /// `Fernet.generate_key()` prints and every parser here reads.
    #[must_use]
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(base64::URL_PADDED.encode_to_string(&self.expose_secret()[..]))
    }

    /// The subkey for one purpose: `HKDF-Expand-SHA-256(key, "atrest/v1/" label)`,
    /// `N` bytes (at most 8,160: more does not compile).
    #[must_use]
    pub fn derive<const N: usize>(&self, purpose: Purpose) -> Zeroizing<[u8; N]> {
        const {
            assert!(
                N <= hkdf::MAX,
                "HKDF-Expand-SHA-256 gives at most 8,160 bytes"
            );
        }
        let mut out = Zeroizing::new([0; N]);
        self.derive_into(purpose, &mut out[..]);
        out
    }

    fn derive_into(&self, purpose: Purpose, out: &mut [u8]) {
        stack::wiped(|| {
            let prk = hash_mac::hmac_sha256(self.expose_secret());
            hkdf::expand(&prk, &[b"atrest/v1/", purpose.label().as_bytes()], out);
        });
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}
