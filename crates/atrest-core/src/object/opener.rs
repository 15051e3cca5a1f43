//! Opening: any chunk, by its number.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::header::LEN as HEADER_LEN;
use super::{ObjectError, ObjectHeader, PROLOGUE_LEN, SLOT_LEN, clear_len};
use crate::cobblestone::{COMMITMENT, Cobblestone256, MAX_CHUNKS, SALT};
use crate::xaes::TAG;
use crate::{KeyId, Keyring, Purpose};

/// Opens the chunks of one object, in any order and on any number of threads.
///
/// What opens is the object's own, where it stood. That nothing is missing at the
/// end is known once the last chunk, the short one, was opened.
///
/// ```
/// use atrest_core::object::{ObjectOpener, seal_object};
/// use atrest_core::{Key, Keyring};
///
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let object = seal_object(&keyring, b"clip", &[7; 40_000])?;
/// let (prologue, chunks) = object.split_first_chunk().unwrap();
/// let opener = ObjectOpener::new(&keyring, b"clip", prologue)?;
/// let mut clear = vec![0; 16_384]; // the second chunk alone
/// opener.open(1, &chunks[16_400..32_800], &mut clear)?;
/// assert_eq!(clear, [7; 16_384]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ObjectOpener {
    cipher: Arc<Cobblestone256>,
    key: KeyId,
}

impl ObjectOpener {
    /// Checks that an object that begins with `prologue` was sealed under a key of
    /// the keyring, the one that its header names, and bound to `id`.
    ///
    /// # Errors
    /// [`ObjectError::NotAnObject`], [`ObjectError::NewerKind`],
    /// [`ObjectError::UnknownKey`], [`ObjectError::Unbound`].
    pub fn new(
        keyring: &Keyring,
        id: &[u8],
        prologue: &[u8; PROLOGUE_LEN],
    ) -> Result<Self, ObjectError> {
        let header = ObjectHeader::read(prologue)?;
        let key = keyring
            .get(header.key)
            .ok_or(ObjectError::UnknownKey(header.key))?;
        let (mut salt, mut commitment) = ([0; SALT], [0; COMMITMENT]);
        salt.copy_from_slice(&prologue[HEADER_LEN..HEADER_LEN + SALT]);
        commitment.copy_from_slice(&prologue[HEADER_LEN + SALT..]);
        let input_key = key.derive(Purpose::ObjectCobblestone256);
        let context = [&prologue[..HEADER_LEN], id];
        let cipher = Cobblestone256::open_header(&input_key, &salt, &commitment, &context)?
            .ok_or(ObjectError::Unbound { key: header.key })?;
        Ok(Self {
            cipher: Arc::new(cipher),
            key: header.key,
        })
    }

    /// The key that the object was sealed under.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// Opens the chunks from number `first` on that stand in `sealed` into the
    /// start of `clear`; gives their clear length. Only the last one may be short.
    /// Nothing is copied.
    ///
    /// # Errors
    /// [`ObjectError::Damaged`], with everything in `clear` wiped;
    /// [`ObjectError::TooLong`]; [`ObjectError::Cipher`] when `clear` is too small.
    pub fn open(&self, first: u64, sealed: &[u8], clear: &mut [u8]) -> Result<usize, ObjectError> {
        let opened = numbered(first, sealed.len()).and_then(|numbers| {
            let mut done = 0;
            for (chunk, slot) in numbers.zip(sealed.chunks(SLOT_LEN)) {
                let len = slot.len().checked_sub(TAG);
                let len = len.ok_or(ObjectError::Damaged { chunk })?;
                let room = clear.get_mut(done..done + len).ok_or(ObjectError::Cipher)?;
                let opened = self.cipher.open(chunk, slot, room);
                opened.map_err(|_| ObjectError::Damaged { chunk })?;
                done += len;
            }
            Ok(done)
        });
        opened.inspect_err(|_| clear.fill(0))
    }

    /// Opens chunks where they are: each [`SLOT_LEN`] of `slots` then begins with
    /// its clear bytes.
    ///
    /// # Errors
    /// [`ObjectError::Damaged`], with all of `slots` wiped; [`ObjectError::TooLong`].
    pub fn open_in_place(&self, first: u64, slots: &mut [u8]) -> Result<(), ObjectError> {
        let opened = numbered(first, slots.len()).and_then(|numbers| {
            for (chunk, slot) in numbers.zip(slots.chunks_mut(SLOT_LEN)) {
                let opened = self.cipher.open_in_place(chunk, slot);
                opened.map_err(|_| ObjectError::Damaged { chunk })?;
            }
            Ok(())
        });
        opened.inspect_err(|_| slots.fill(0))
    }
}

/// The numbers of the chunks in `sealed` bytes from number `first` on.
fn numbered(first: u64, sealed: usize) -> Result<Range<u64>, ObjectError> {
    let end = first.saturating_add(sealed.div_ceil(SLOT_LEN) as u64);
    if end > MAX_CHUNKS {
        return Err(ObjectError::TooLong);
    }
    Ok(first..end)
}

impl fmt::Debug for ObjectOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectOpener")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The clear bytes of a whole object that was bound to `id`.
///
/// # Errors
/// Those of [`ObjectOpener::new`] and [`ObjectOpener::open`], and
/// [`ObjectError::Length`] for one that was cut off or added to.
pub fn open_object(keyring: &Keyring, id: &[u8], object: &[u8]) -> Result<Vec<u8>, ObjectError> {
    ObjectHeader::read(object)?;
    let length = clear_len(object.len() as u64)?;
    let cut = ObjectError::Length {
        length: object.len() as u64,
    };
    let (prologue, chunks) = object.split_first_chunk().ok_or(cut)?;
    let opener = ObjectOpener::new(keyring, id, prologue)?;
    let mut clear = vec![0; usize::try_from(length).map_err(|_| ObjectError::TooLong)?];
    opener.open(0, chunks, &mut clear)?;
    Ok(clear)
}
