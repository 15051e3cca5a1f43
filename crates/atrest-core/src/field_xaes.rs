//! Field tokens of the suite `xaes-256-gcm`:
//! `header (6) | nonce (24) | ciphertext | tag (16)`, additional data =
//! header | context (spec/formats.md, "xaes-256-gcm").

use crate::random::RandomPool;
use crate::xaes::{CipherError, NONCE, Subkey, TAG, Xaes256Gcm, halves};
use crate::{KeyId, RandomError, base64, header};

/// How many values are sealed under one nonce prefix before a new one is drawn.
///
/// Within a batch nonces count up, so none repeats in 2^96 values; 2^20 values
/// keep what one AES-GCM key encrypts far below its bounds (2^32 messages) even
/// when every value is large.
pub(crate) const BATCH: u32 = 1 << 20;

/// Where the ciphertext begins in a token.
const BODY: usize = header::LEN + NONCE;
/// What all tokens of a batch begin with: header and nonce prefix.
const OPENING: usize = header::LEN + 12;
const TEXT_OPENING: usize = header::TEXT_PREFIX.len() + OPENING / 3 * 4;
const _: () = assert!(OPENING.is_multiple_of(3), "base64 goes on after it");

/// One batch: a random nonce prefix, the AES key it leads to, and a counter that
/// starts at random.
pub(crate) struct Batch {
    /// header | nonce prefix.
    opening: [u8; OPENING],
    /// The same as text, `ar1.` before it: it is whole characters.
    text_opening: [u8; TEXT_OPENING],
    subkey: Subkey,
    counter: u128,
    left: u32,
}

/// Why no batch could be begun, or a value not be sealed.
pub(crate) enum BatchError {
    Random(RandomError),
    Cipher(CipherError),
}

impl Batch {
    /// Draws all 24 bytes of the first nonce.
    pub(crate) fn begin(
        head: &[u8; header::LEN],
        cipher: &Xaes256Gcm,
        random: &mut RandomPool,
    ) -> Result<Self, BatchError> {
        let nonce: [u8; NONCE] = random.take().map_err(BatchError::Random)?;
        let (prefix, start) = halves(&nonce);
        let subkey = cipher.subkey(&prefix).map_err(BatchError::Cipher)?;
        let mut counter = [0; 16];
        counter[4..].copy_from_slice(&start);
        let mut opening = [0; OPENING];
        opening[..header::LEN].copy_from_slice(head);
        opening[header::LEN..].copy_from_slice(&prefix);
        let mut text_opening = [0; TEXT_OPENING];
        let (ar1, text) = text_opening.split_at_mut(header::TEXT_PREFIX.len());
        ar1.copy_from_slice(header::TEXT_PREFIX.as_bytes());
        base64::encode(&base64::URL, &opening, text);
        Ok(Self {
            opening,
            text_opening,
            subkey,
            counter: u128::from_be_bytes(counter),
            left: BATCH,
        })
    }

    /// Whether the next value needs a new batch.
    pub(crate) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Appends a token's bytes to `out`; on an error `out` is as it was.
    pub(crate) fn seal(
        &mut self,
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        let before = out.len();
        out.resize(before + OPENING + rest_len(plaintext), 0);
        let token = out.get_mut(before..).unwrap_or_default();
        let (opening, rest) = token.split_first_chunk_mut().ok_or(CipherError)?;
        *opening = self.opening;
        let sealed = self.seal_rest(aad, plaintext, rest);
        if sealed.is_err() {
            out.truncate(before);
        }
        sealed
    }

    /// Appends a token's text to `out`; on an error `out` is as it was. `scratch` holds
    /// ciphertext from value to value.
    pub(crate) fn seal_text(
        &mut self,
        aad: &[u8],
        plaintext: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        let length = rest_len(plaintext);
        if scratch.len() < length {
            scratch.resize(length, 0);
        }
        let rest = scratch.get_mut(..length).unwrap_or_default();
        self.seal_rest(aad, plaintext, rest)?;
        out.reserve(TEXT_OPENING + base64::room(length));
        out.extend_from_slice(&self.text_opening);
        base64::encode_to(&base64::URL, rest, out);
        Ok(())
    }

    /// Writes what differs from value to value: nonce (12) | ciphertext | tag (16).
    fn seal_rest(
        &mut self,
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), CipherError> {
        // The nonce is spent whether or not the value can be sealed.
        let [_, _, _, _, nonce @ ..] = self.counter.to_be_bytes();
        self.counter = self.counter.wrapping_add(1); // the low 96 bits count
        self.left = self.left.saturating_sub(1);

        let (first, body) = out.split_first_chunk_mut().ok_or(CipherError)?;
        *first = nonce;
        self.subkey.seal_into(nonce, aad, plaintext, body)
    }
}

/// Bytes of a token after [`Batch::opening`].
const fn rest_len(plaintext: &[u8]) -> usize {
    NONCE - 12 + plaintext.len() + TAG
}

/// The derived keys of the batches seen last: a page sealed in one batch derives
/// once, and a page in any order stays correct.
pub(crate) struct SubkeyCache {
    entries: Vec<Entry>,
    last: usize,
    oldest: usize,
}

struct Entry {
    key: KeyId,
    prefix: [u8; 12],
    subkey: Subkey,
}

impl SubkeyCache {
    const ENTRIES: usize = 16;

    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            last: 0,
            oldest: 0,
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        (self.last, self.oldest) = (0, 0);
    }

    /// The derived key for `prefix` under the key `id`, whose cipher is given.
    fn get(&mut self, id: KeyId, prefix: [u8; 12], cipher: &Xaes256Gcm) -> Option<&Subkey> {
        let is = |e: &Entry| e.key == id && e.prefix == prefix;
        if !self.entries.get(self.last).is_some_and(is) {
            self.last = match self.entries.iter().position(is) {
                Some(at) => at,
                None => self.insert(Entry {
                    key: id,
                    prefix,
                    subkey: cipher.subkey(&prefix).ok()?,
                }),
            };
        }
        self.entries.get(self.last).map(|e| &e.subkey)
    }

    fn insert(&mut self, entry: Entry) -> usize {
        if self.entries.len() < Self::ENTRIES {
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        let at = self.oldest;
        self.oldest = (at + 1) % Self::ENTRIES;
        if let Some(slot) = self.entries.get_mut(at) {
            *slot = entry;
        }
        at
    }

    /// Opens the token that `buffer` holds; the clear value then stands at its
    /// start. Gives its length.
    pub(crate) fn open(
        &mut self,
        id: KeyId,
        cipher: &Xaes256Gcm,
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Option<usize> {
        if buffer.len() < BODY + TAG {
            return None;
        }
        let (prefix, rest) = halves(buffer.get(header::LEN..)?.first_chunk()?);
        self.get(id, prefix, cipher)?
            .open_within(rest, aad, buffer, BODY)
            .ok()
    }
}
