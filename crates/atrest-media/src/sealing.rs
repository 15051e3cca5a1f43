use std::fmt;

use atrest_core::Keyring;
use atrest_core::object::{CHUNK_LEN, ObjectError, ObjectSealer, PROLOGUE_LEN};
use zeroize::Zeroizing;

/// Seals what comes in parts of any length: cuts it into chunks.
///
/// After an error the object has a gap, and is to be given up.
pub(crate) struct Sealing {
    sealer: ObjectSealer,
    /// Clear bytes of the chunk that was begun: always fewer than one chunk.
    kept: Zeroizing<Vec<u8>>,
}

impl Sealing {
    /// A new object under the keyring's primary key, bound to `id`.
    pub(crate) fn new(keyring: &Keyring, id: &[u8]) -> Result<Self, ObjectError> {
        Ok(Self {
            sealer: ObjectSealer::new(keyring, id)?,
            kept: Zeroizing::new(Vec::with_capacity(CHUNK_LEN)),
        })
    }

    /// What the object begins with.
    pub(crate) const fn prologue(&self) -> &[u8; PROLOGUE_LEN] {
        self.sealer.prologue()
    }

    /// Takes `clear` and appends the chunks that are whole with it to `sealed`.
    pub(crate) fn push(&mut self, clear: &[u8], sealed: &mut Vec<u8>) -> Result<(), ObjectError> {
        let mut rest = clear;
        if !self.kept.is_empty() {
            let taken = rest.len().min(CHUNK_LEN - self.kept.len());
            self.kept.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if self.kept.len() < CHUNK_LEN {
                return Ok(());
            }
            seal(&mut self.sealer, &self.kept, sealed)?;
            self.kept.clear();
        }
        let (whole, begun) = rest.split_at(rest.len() - rest.len() % CHUNK_LEN);
        if !whole.is_empty() {
            seal(&mut self.sealer, whole, sealed)?;
        }
        self.kept.extend_from_slice(begun);
        Ok(())
    }

    /// Appends the last chunk, which may be empty. There is nothing after it:
    /// whatever is called then is [`ObjectError::TooLong`].
    pub(crate) fn finish(&mut self, sealed: &mut Vec<u8>) -> Result<(), ObjectError> {
        seal(&mut self.sealer, &self.kept, sealed)
    }
}

fn seal(sealer: &mut ObjectSealer, clear: &[u8], sealed: &mut Vec<u8>) -> Result<(), ObjectError> {
    let chunks = sealer.chunks(clear.len())?;
    let from = sealed.len();
    sealed.resize(from + chunks.sealed_len(), 0);
    chunks.seal(clear, &mut sealed[from..])
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing")
            .field("sealer", &self.sealer)
            .finish_non_exhaustive()
    }
}
