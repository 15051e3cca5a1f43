//! HMAC-SHA-256 under a derived key, for records that must not be forged.

use std::fmt;

use hmac::Mac as _;

use crate::hash_mac::{self, HmacSha256};
use crate::{Key, Purpose, stack};

/// HMAC-SHA-256 under the subkey of one purpose.
///
/// ```
/// use atrest_core::{Key, Purpose, hazmat::Mac};
/// let mac = Mac::new(&Key::generate()?, Purpose::Journal);
/// let tag = mac.tag(&[b"run:", b"people"]);
/// assert!(mac.verify(&[b"run:people"], &tag)); // pieces are one message: frame them
/// assert!(!mac.verify(&[b"run:people"], &tag[..31]));
/// # Ok::<(), atrest_core::RandomError>(())
/// ```
pub struct Mac(Box<HmacSha256>);

impl Mac {
    /// The MAC for `purpose` under `key`'s 32-byte subkey.
    #[must_use]
    pub fn new(key: &Key, purpose: Purpose) -> Self {
        stack::wiped(|| {
            let subkey = key.derive::<32>(purpose);
            Self(Box::new(hash_mac::hmac_sha256(&*subkey)))
        })
    }

    /// The tag of the message that the pieces make when put together. Where the
    /// pieces' borders matter, the caller frames them.
    #[must_use]
    pub fn tag(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        pieces.iter().for_each(|piece| mac.update(piece));
        mac.finalize().into_bytes().into()
    }

    /// Whether `tag` is the message's, all 32 bytes of it; in constant time.
    #[must_use]
    pub fn verify(&self, pieces: &[&[u8]], tag: &[u8]) -> bool {
        hash_mac::equal(&self.tag(pieces), tag)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac")
    }
}
