//! XAES-256-GCM exactly as c2sp.org/XAES-256-GCM: AES-256-GCM with a 24-byte
//! nonce, of which the first half derives the key of one AES-256-GCM and the
//! second half is its nonce.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{Key, Purpose, stack};

/// A cipher said no: on opening, key, nonce, additional data or message do not
/// belong together, and it does not say which; on sealing, the message is longer
/// than the construction allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message does not open (wrong key or context, or it was changed), or is too long to seal"
)]
pub struct CipherError;

/// XAES-256-GCM under one key: `K1` and the key schedule are computed once.
///
/// The nonce is 24 bytes, the tag 16. A nonce may never serve twice under one key;
/// 24 random bytes never do.
///
/// ```
/// use atrest_core::hazmat::Xaes256Gcm;
/// let cipher = Xaes256Gcm::new(&[1; 32]);
/// let mut message = b"XAES-256-GCM".to_vec();
/// cipher.seal_in_place_append_tag(b"ABCDEFGHIJKLMNOPQRSTUVWX", b"", &mut message)?;
/// assert_eq!(message[..4], [0xce, 0x54, 0x6e, 0xf6]); // the specification's first vector
/// let length = cipher.open_in_place(b"ABCDEFGHIJKLMNOPQRSTUVWX", b"", &mut message)?;
/// assert_eq!(&message[..length], b"XAES-256-GCM");
/// # Ok::<(), atrest_core::hazmat::CipherError>(())
/// ```
pub struct Xaes256Gcm(Box<Schedule>);

struct Schedule {
    aes: Aes256Enc,
    k1: Zeroizing<[u8; 16]>,
}

/// The nonce's length in bytes.
pub(crate) const NONCE: usize = 24;
/// The tag's length in bytes.
pub(crate) const TAG: usize = 16;
/// AES-GCM's limit, 2^39 - 256 bits, in bytes.
pub(crate) const MAX_MESSAGE: u64 = (1 << 36) - 32;

impl Xaes256Gcm {
    /// The cipher under `key`.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        stack::wiped(|| Self(Box::new(Schedule::new(key))))
    }

    /// The cipher under `key`'s 32-byte subkey for `purpose`.
    #[must_use]
    pub fn of(key: &Key, purpose: Purpose) -> Self {
        stack::wiped(|| Self::new(&key.derive(purpose)))
    }

    /// Encrypts `message` where it is and appends the tag.
    ///
    /// # Errors
    /// When the message is longer than AES-GCM allows (64 GiB).
    pub fn seal_in_place_append_tag(
        &self,
        nonce: &[u8; 24],
        aad: &[u8],
        message: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        let (prefix, rest) = halves(nonce);
        let key = self.subkey(&prefix)?;
        let nonce = Nonce::assume_unique_for_key(rest);
        key.0
            .seal_in_place_append_tag(nonce, Aad::from(aad), message)
            .map_err(|_| CipherError)
    }

    /// Opens `message` (ciphertext and tag) where it is; gives the clear length.
    ///
    /// # Errors
    /// When it does not open; `message` then holds nothing of use.
    pub fn open_in_place(
        &self,
        nonce: &[u8; 24],
        aad: &[u8],
        message: &mut [u8],
    ) -> Result<usize, CipherError> {
        let (prefix, rest) = halves(nonce);
        self.subkey(&prefix)?.open_within(rest, aad, message, 0)
    }

    /// The AES-256-GCM that a nonce's first 12 bytes lead to.
    pub(crate) fn subkey(&self, prefix: &[u8; 12]) -> Result<Subkey, CipherError> {
        let mut key = Zeroizing::new([0; 32]);
        let (halves, _) = key.as_chunks_mut::<16>();
        for (counter, half) in (1u8..).zip(&mut *halves) {
            *half = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            half[4..].copy_from_slice(prefix);
            half.iter_mut()
                .zip(self.0.k1.iter())
                .for_each(|(b, k)| *b ^= k);
        }
        self.0
            .aes
            .encrypt_blocks(Array::cast_slice_from_core_mut(halves));
        Subkey::new(&key)
    }
}

impl Schedule {
    fn new(key: &[u8; 32]) -> Self {
        let aes = Aes256Enc::new(key.into());
        // K1 = L << 1, and 0x87 onto its end when a bit fell off (SP 800-38B §6.1).
        let mut l = Array::from([0; 16]);
        aes.encrypt_block(&mut l);
        let l = Zeroizing::new(u128::from_be_bytes(l.into()));
        let k1 = Zeroizing::new(((*l << 1) ^ ((*l >> 127) * 0x87)).to_be_bytes());
        Self { aes, k1 }
    }
}

impl std::fmt::Debug for Xaes256Gcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Xaes256Gcm")
    }
}

/// A nonce's two halves: what derives the key, and AES-256-GCM's own nonce.
pub(crate) fn halves(nonce: &[u8; NONCE]) -> ([u8; 12], [u8; 12]) {
    let mut halves = ([0; 12], [0; 12]);
    halves.0.copy_from_slice(&nonce[..12]);
    halves.1.copy_from_slice(&nonce[12..]);
    halves
}

/// AES-256-GCM under a derived key.
pub(crate) struct Subkey(LessSafeKey);

impl Subkey {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, CipherError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| CipherError)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts `message` into `out`, which has its length and room for the tag.
    pub(crate) fn seal_into(
        &self,
        nonce: [u8; 12],
        aad: &[u8],
        message: &[u8],
        out: &mut [u8],
    ) -> Result<(), CipherError> {
        let (ciphertext, tag) = out.split_at_mut_checked(message.len()).ok_or(CipherError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_out_of_place_scatter(nonce, Aad::from(aad), message, ciphertext, &[], tag)
            .map_err(|_| CipherError)
    }

    /// Opens the ciphertext and tag at `buffer[from..]`; the clear message then
    /// stands at the start of `buffer`.
    pub(crate) fn open_within(
        &self,
        nonce: [u8; 12],
        aad: &[u8],
        buffer: &mut [u8],
        from: usize,
    ) -> Result<usize, CipherError> {
        if buffer.len() < from + TAG {
            return Err(CipherError);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        match self.0.open_within(nonce, Aad::from(aad), buffer, from..) {
            Ok(clear) => Ok(clear.len()),
            Err(_) => Err(CipherError),
        }
    }
}
