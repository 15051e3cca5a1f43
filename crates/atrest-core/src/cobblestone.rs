//! Cobblestone-256 exactly as c2sp.org/chunked-encryption: AES-256-GCM over chunks
//! of 16 KiB, of which the last is shorter, under a key, a base nonce and a
//! commitment that HKDF-Expand-SHA-512 derives for each message.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use zeroize::Zeroizing;

use crate::xaes::{CipherError, TAG};
use crate::{hash_mac, stack};

/// Clear bytes of a chunk; the last one has fewer.
pub(crate) const CHUNK: usize = 16 * 1024;
/// Sealed bytes of a chunk.
pub(crate) const SLOT: usize = CHUNK + TAG;
/// The salt's length in bytes.
pub(crate) const SALT: usize = 24;
/// The commitment's length in bytes.
pub(crate) const COMMITMENT: usize = 32;
/// Chunks of a message at most: 4 PiB.
pub(crate) const MAX_CHUNKS: u64 = 1 << 38;

const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// One message's cipher.
pub(crate) struct Cobblestone256 {
    key: LessSafeKey,
    base: [u8; 12],
}

/// `key || base nonce || commitment`.
struct Derived;

impl KeyType for Derived {
    fn len(&self) -> usize {
        32 + 12 + COMMITMENT
    }
}

impl Cobblestone256 {
    /// The cipher of the message with this salt and context (in pieces), and the
    /// commitment that stands in front of it.
    pub(crate) fn derive(
        input_key: &[u8; 32],
        salt: &[u8; SALT],
        context: &[&[u8]],
    ) -> Result<(Self, [u8; COMMITMENT]), CipherError> {
        let info = [&[LABEL, salt], context].concat();
        stack::wiped(|| Self::expand(input_key, &info))
    }

    fn expand(
        input_key: &[u8; 32],
        info: &[&[u8]],
    ) -> Result<(Self, [u8; COMMITMENT]), CipherError> {
        let mut derived = Zeroizing::new([0; 32 + 12 + COMMITMENT]);
        Prk::new_less_safe(HKDF_SHA512, input_key)
            .expand(info, Derived)
            .and_then(|okm| okm.fill(&mut derived[..]))
            .map_err(|_| CipherError)?;
        let (mut base, mut commitment) = ([0; 12], [0; COMMITMENT]);
        base.copy_from_slice(&derived[32..44]);
        commitment.copy_from_slice(&derived[44..]);
        let key = UnboundKey::new(&AES_256_GCM, &derived[..32]).map_err(|_| CipherError)?;
        let key = LessSafeKey::new(key);
        Ok((Self { key, base }, commitment))
    }

    /// As [`derive`](Self::derive), for a message that begins with `salt` and
    /// `commitment`; `None` when they belong to another key or context.
    pub(crate) fn open_header(
        input_key: &[u8; 32],
        salt: &[u8; SALT],
        commitment: &[u8; COMMITMENT],
        context: &[&[u8]],
    ) -> Result<Option<Self>, CipherError> {
        let (cipher, derived) = Self::derive(input_key, salt, context)?;
        Ok(hash_mac::equal(&derived, commitment).then_some(cipher))
    }

    /// The base nonce XOR the chunk's number in big-endian.
    fn nonce(&self, chunk: u64) -> Nonce {
        let mut nonce = self.base;
        for (byte, n) in nonce[4..].iter_mut().zip(chunk.to_be_bytes()) {
            *byte ^= n;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals a chunk into `sealed`, which has its length and room for the tag.
    pub(crate) fn seal(
        &self,
        chunk: u64,
        clear: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CipherError> {
        let (ciphertext, tag) = sealed
            .split_at_mut_checked(clear.len())
            .ok_or(CipherError)?;
        self.key
            .seal_out_of_place_scatter(self.nonce(chunk), Aad::empty(), clear, ciphertext, &[], tag)
            .map_err(|_| CipherError)
    }

    /// Seals the chunk at the start of `slot` where it is; the tag's room follows.
    pub(crate) fn seal_in_place(&self, chunk: u64, slot: &mut [u8]) -> Result<(), CipherError> {
        let clear = slot.len().checked_sub(TAG).ok_or(CipherError)?;
        let (clear, room) = slot.split_at_mut(clear);
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(chunk), Aad::empty(), clear)
            .map_err(|_| CipherError)?;
        room.copy_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a chunk into `clear`, which has its clear length; wiped when it does
    /// not open.
    pub(crate) fn open(
        &self,
        chunk: u64,
        sealed: &[u8],
        clear: &mut [u8],
    ) -> Result<(), CipherError> {
        let (ciphertext, tag) = sealed.split_at_checked(clear.len()).ok_or(CipherError)?;
        self.key
            .open_separate_gather(self.nonce(chunk), Aad::empty(), ciphertext, tag, clear)
            .map_err(|_| {
                clear.fill(0);
                CipherError
            })
    }

    /// Opens the chunk in `slot` where it is: its clear bytes stand at the start.
    /// Wiped when it does not open.
    pub(crate) fn open_in_place(&self, chunk: u64, slot: &mut [u8]) -> Result<(), CipherError> {
        let opened = self
            .key
            .open_in_place(self.nonce(chunk), Aad::empty(), slot)
            .map(|_| ());
        opened.map_err(|_| {
            slot.fill(0);
            CipherError
        })
    }
}
