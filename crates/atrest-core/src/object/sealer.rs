//! Sealing: chunk numbers are given out once, so that no nonce serves twice.

use std::fmt;
use std::sync::Arc;

use super::header::LEN as HEADER_LEN;
use super::{CHUNK_LEN, ObjectError, ObjectHeader, PROLOGUE_LEN, SLOT_LEN, sealed_len};
use crate::cobblestone::{Cobblestone256, MAX_CHUNKS, SALT};
use crate::xaes::TAG;
use crate::{Keyring, Purpose, fill_random};

/// Seals one object from its beginning to its end.
///
/// Write [`prologue`](Self::prologue) first, then what [`chunks`](Self::chunks)
/// seal, in order. An object that is not ended with a short chunk is one that was
/// cut off, and does not open as a whole.
///
/// ```
/// use atrest_core::object::{ObjectSealer, open_object};
/// use atrest_core::{Key, Keyring};
///
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let mut sealer = ObjectSealer::new(&keyring, b"gate/2026-11-22.mp4")?;
/// let mut object = sealer.prologue().to_vec();
/// let mut sealed = vec![0; 5 + 16];
/// sealer.chunks(5)?.seal(b"frame", &mut sealed)?;
/// object.extend_from_slice(&sealed);
/// assert_eq!(open_object(&keyring, b"gate/2026-11-22.mp4", &object)?, b"frame");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ObjectSealer {
    cipher: Arc<Cobblestone256>,
    prologue: [u8; PROLOGUE_LEN],
    next: u64,
    ended: bool,
}

impl ObjectSealer {
    /// A new object under the keyring's primary key, bound to `id` (its name; empty:
    /// bound to none, and then it opens without one only).
    ///
    /// # Errors
    /// [`ObjectError::Random`].
    pub fn new(keyring: &Keyring, id: &[u8]) -> Result<Self, ObjectError> {
        let mut salt = [0; SALT];
        fill_random(&mut salt)?;
        Self::with_salt(keyring, id, &salt)
    }

    pub(crate) fn with_salt(
        keyring: &Keyring,
        id: &[u8],
        salt: &[u8; SALT],
    ) -> Result<Self, ObjectError> {
        let key = keyring.primary();
        let header = ObjectHeader { key: key.id() }.to_bytes();
        let input_key = key.derive(Purpose::ObjectCobblestone256);
        let (cipher, commitment) = Cobblestone256::derive(&input_key, salt, &[&header, id])?;
        let mut prologue = [0; PROLOGUE_LEN];
        prologue[..HEADER_LEN].copy_from_slice(&header);
        prologue[HEADER_LEN..HEADER_LEN + SALT].copy_from_slice(salt);
        prologue[HEADER_LEN + SALT..].copy_from_slice(&commitment);
        Ok(Self {
            cipher: Arc::new(cipher),
            prologue,
            next: 0,
            ended: false,
        })
    }

    /// What the object begins with.
    #[must_use]
    pub const fn prologue(&self) -> &[u8; PROLOGUE_LEN] {
        &self.prologue
    }

    /// The right to seal the next `clear` bytes: whole chunks, and with a rest that
    /// is none (or with 0 bytes) the end of the object. Each part may be sealed on
    /// a thread of its own.
    ///
    /// # Errors
    /// [`ObjectError::TooLong`] after the end, and beyond 4 PiB.
    pub fn chunks(&mut self, clear: usize) -> Result<SealChunks, ObjectError> {
        let full = (clear / CHUNK_LEN) as u64;
        let ends = clear == 0 || !clear.is_multiple_of(CHUNK_LEN);
        let next = self.next + full + u64::from(ends); // far below 2^64
        if self.ended || next > MAX_CHUNKS {
            return Err(ObjectError::TooLong);
        }
        let first = std::mem::replace(&mut self.next, next);
        self.ended = ends;
        Ok(SealChunks {
            cipher: Arc::clone(&self.cipher),
            first,
            clear,
            ends,
        })
    }
}

impl fmt::Debug for ObjectSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSealer")
            .field("next", &self.next)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// The right to seal some chunks of an object, once.
#[must_use = "chunks that are not sealed are missing in the object"]
pub struct SealChunks {
    cipher: Arc<Cobblestone256>,
    first: u64,
    clear: usize,
    ends: bool,
}

impl SealChunks {
    /// How long the sealed chunks are, in bytes.
    #[must_use]
    pub const fn sealed_len(&self) -> usize {
        self.clear + (self.clear / CHUNK_LEN + self.ends as usize) * TAG
    }

    /// Seals `clear` into `sealed`, which is [`sealed_len`](Self::sealed_len) bytes
    /// long. Nothing is copied.
    ///
    /// # Errors
    /// [`ObjectError::Cipher`] when the lengths are others than agreed on.
    pub fn seal(self, clear: &[u8], sealed: &mut [u8]) -> Result<(), ObjectError> {
        if (clear.len(), sealed.len()) != (self.clear, self.sealed_len()) {
            return Err(ObjectError::Cipher);
        }
        let mut rest = clear;
        for (chunk, slot) in (self.first..).zip(sealed.chunks_mut(SLOT_LEN)) {
            let (clear, after) = rest.split_at(slot.len() - TAG);
            self.cipher.seal(chunk, clear, slot)?;
            rest = after;
        }
        Ok(())
    }

    /// Seals chunks where they are: `slots` is [`sealed_len`](Self::sealed_len)
    /// bytes long, and each [`SLOT_LEN`] of it begins with a chunk, with room for
    /// its tag behind it.
    ///
    /// # Errors
    /// [`ObjectError::Cipher`] when the length is another than agreed on.
    pub fn seal_in_place(self, slots: &mut [u8]) -> Result<(), ObjectError> {
        if slots.len() != self.sealed_len() {
            return Err(ObjectError::Cipher);
        }
        for (chunk, slot) in (self.first..).zip(slots.chunks_mut(SLOT_LEN)) {
            self.cipher.seal_in_place(chunk, slot)?;
        }
        Ok(())
    }
}

impl fmt::Debug for SealChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealChunks")
            .field("first", &self.first)
            .field("clear", &self.clear)
            .finish_non_exhaustive()
    }
}

/// The object of `clear`, bound to `id`.
///
/// # Errors
/// [`ObjectError::Random`]; [`ObjectError::TooLong`].
///
/// ```
/// use atrest_core::object::{open_object, seal_object};
/// use atrest_core::{Key, Keyring};
///
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let object = seal_object(&keyring, b"faces/1.jpg", b"an image")?;
/// assert_eq!(object.len(), 72 + 8 + 16);
/// assert_eq!(open_object(&keyring, b"faces/1.jpg", &object)?, b"an image");
/// assert!(open_object(&keyring, b"faces/2.jpg", &object).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn seal_object(keyring: &Keyring, id: &[u8], clear: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let length = sealed_len(clear.len() as u64)
        .and_then(|n| usize::try_from(n).ok())
        .ok_or(ObjectError::TooLong)?;
    let mut sealer = ObjectSealer::new(keyring, id)?;
    let mut object = vec![0; length];
    let (prologue, mut sealed) = object.split_at_mut(PROLOGUE_LEN);
    prologue.copy_from_slice(sealer.prologue());
    let (full, last) = clear.split_at(clear.len() - clear.len() % CHUNK_LEN);
    if !full.is_empty() {
        let chunks = sealer.chunks(full.len())?;
        let (now, after) = sealed.split_at_mut(chunks.sealed_len());
        chunks.seal(full, now)?;
        sealed = after;
    }
    sealer.chunks(last.len())?.seal(last, sealed)?;
    Ok(object)
}
