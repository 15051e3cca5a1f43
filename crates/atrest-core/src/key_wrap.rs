//! A key sealed under another key (spec/formats.md, "Wrapped key"):
//! `0x01 | wrapping key's id (4) | nonce (24) | sealed key (32) | tag (16)`.

use std::fmt;

use zeroize::Zeroizing;

use crate::hazmat::CipherError;
use crate::xaes::{NONCE, TAG, Xaes256Gcm};
use crate::{Context, Key, KeyId, Purpose, RandomError, fill_random};

/// The format's version.
const VERSION: u8 = 0x01;
/// Version and wrapping key's id.
const HEAD: usize = 5;

/// Wraps keys under one key: XAES-256-GCM under its subkey for
/// [`Purpose::KeyWrap`], with the header and the context as additional data.
///
/// ```
/// use atrest_core::{Context, Key, KeyWrapper};
/// let (root, data) = (Key::generate()?, Key::generate()?);
/// let wrapper = KeyWrapper::new(&root);
/// let place = Context::new("keyring");
/// let wrapped = wrapper.wrap(&data, &place)?;
/// assert_eq!(wrapped.len(), KeyWrapper::WRAPPED);
/// assert_eq!(KeyWrapper::wrapped_under(&wrapped), Some(root.id()));
/// assert_eq!(wrapper.unwrap(&wrapped, &place)?.id(), data.id());
/// assert!(wrapper.unwrap(&wrapped, &Context::new("elsewhere")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyWrapper {
    cipher: Xaes256Gcm,
    id: KeyId,
}

impl KeyWrapper {
    /// The length of a wrapped key, in bytes.
    pub const WRAPPED: usize = HEAD + NONCE + 32 + TAG;

    /// Wraps under `key`.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self {
            cipher: Xaes256Gcm::of(key, Purpose::KeyWrap),
            id: key.id(),
        }
    }

    /// `key`, sealed for one place: [`Self::WRAPPED`] bytes.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn wrap(&self, key: &Key, context: &Context) -> Result<Vec<u8>, RandomError> {
        let head = self.head();
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce)?;
        // The buffer never grows, so the clear key is sealed where it lies.
        let mut sealed = Vec::with_capacity(32 + TAG);
        sealed.extend_from_slice(key.expose_secret());
        self.cipher
            .seal_in_place_append_tag(&nonce, &aad(&head, context), &mut sealed)
            .map_err(|_| RandomError)?; // only a message of 64 GiB is refused
        Ok([&head[..], &nonce, &sealed].concat())
    }

    /// The key that [`wrap`](Self::wrap) sealed for this place.
    ///
    /// # Errors
    /// [`CipherError`], whatever is wrong: another wrapping key or place, damage,
    /// another format.
    pub fn unwrap(&self, wrapped: &[u8], context: &Context) -> Result<Key, CipherError> {
        let (head, rest) = wrapped
            .split_first_chunk::<HEAD>()
            .filter(|(head, _)| **head == self.head() && wrapped.len() == Self::WRAPPED)
            .ok_or(CipherError)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(CipherError)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        self.cipher
            .open_in_place(nonce, &aad(head, context), &mut bytes)?;
        let key = bytes.first_chunk::<32>().ok_or(CipherError)?;
        Ok(Key::copied_from(key))
    }

    /// The id that a wrapped key says it is wrapped under; proves nothing.
    #[must_use]
    pub fn wrapped_under(wrapped: &[u8]) -> Option<KeyId> {
        match wrapped {
            [VERSION, a, b, c, d, ..] if wrapped.len() == Self::WRAPPED => {
                Some(KeyId([*a, *b, *c, *d]))
            }
            _ => None,
        }
    }

    fn head(&self) -> [u8; HEAD] {
        let [a, b, c, d] = self.id.0;
        [VERSION, a, b, c, d]
    }
}

fn aad(head: &[u8; HEAD], context: &Context) -> Vec<u8> {
    [&head[..], context.encoded()].concat()
}

impl fmt::Debug for KeyWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyWrapper({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyWrapper;
    use crate::{Context, Key};

    #[test]
    fn every_changed_bit_is_refused() {
        let wrapper = KeyWrapper::new(&Key::from_bytes([1; 32]));
        let place = Context::new("keyring");
        let wrapped = wrapper.wrap(&Key::from_bytes([2; 32]), &place).unwrap();
        assert_eq!(
            wrapper.unwrap(&wrapped, &place).unwrap().expose_secret(),
            &[2; 32]
        );
        for bit in 0..wrapped.len() * 8 {
            let mut damaged = wrapped.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(wrapper.unwrap(&damaged, &place).is_err(), "bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert!(wrapper.unwrap(&wrapped[..length], &place).is_err());
        }
        let longer = [&wrapped[..], &[0]].concat();
        assert!(wrapper.unwrap(&longer, &place).is_err());
    }

    #[test]
    fn another_key_or_place_does_not_open() {
        let wrapper = KeyWrapper::new(&Key::from_bytes([1; 32]));
        let place = Context::new("keyring");
        let wrapped = wrapper.wrap(&Key::from_bytes([2; 32]), &place).unwrap();
        let other = KeyWrapper::new(&Key::from_bytes([3; 32]));
        assert!(other.unwrap(&wrapped, &place).is_err());
        assert!(
            wrapper
                .unwrap(&wrapped, &place.with_row(["subject"]))
                .is_err()
        );
    }
}
