use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use atrest_core::object::{CHUNK_LEN, ObjectOpener, PROLOGUE_LEN, SLOT_LEN, clear_len};
use atrest_core::{KeyId, Keyring};
use zeroize::Zeroizing;

use crate::MediaError;
use crate::open::read_prologue;

/// Chunks that one read opens at most.
const MOST_CHUNKS: u64 = 16;

/// Reads the clear bytes of an object, from wherever it is asked to.
///
/// A read opens the chunks that it overlaps and no others, up to 16 at a time.
/// What it gives is authenticated. The length is, too, before anything depends on
/// it: [`len`](Self::len), [`SeekFrom::End`] and the end of the stream (a read that
/// gives 0 bytes) first open the last chunk.
///
/// Errors of the object come as [`io::ErrorKind::InvalidData`], with an
/// [`ObjectError`](atrest_core::object::ObjectError) inside.
pub struct ObjectReader<R: Read + Seek> {
    inner: R,
    opener: ObjectOpener,
    /// The object's length, as the stream has it.
    sealed_len: u64,
    /// Its clear length: a claim until the last chunk has opened.
    clear_len: u64,
    length_proven: bool,
    position: u64,
    /// The clear bytes at hand, and where they stand.
    clear: Zeroizing<Vec<u8>>,
    clear_from: u64,
    sealed: Vec<u8>,
}

impl<R: Read + Seek> ObjectReader<R> {
    /// Reads the first 72 bytes of the object that is the whole of `inner`, and
    /// checks that it was sealed under a key of the keyring and bound to `id`.
    ///
    /// # Errors
    /// [`MediaError::Io`]; else those of [`ObjectOpener::new`], and
    /// [`ObjectError::Length`](atrest_core::object::ObjectError::Length).
    pub fn new(mut inner: R, keyring: &Keyring, id: &[u8]) -> Result<Self, MediaError> {
        let seeking = || MediaError::io("seeking in the object");
        let sealed_len = inner.seek(SeekFrom::End(0)).map_err(seeking())?;
        inner.rewind().map_err(seeking())?;
        let prologue = read_prologue(&mut inner)?;
        let opener = ObjectOpener::new(keyring, id, &prologue)?;
        Ok(Self {
            inner,
            opener,
            sealed_len,
            clear_len: clear_len(sealed_len)?,
            length_proven: false,
            position: 0,
            clear: Zeroizing::default(),
            clear_from: 0,
            sealed: Vec::new(),
        })
    }

    /// The key that the object was sealed under.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.opener.key()
    }

    /// How many clear bytes there are. Opens the last chunk if no read did so far.
    ///
    /// # Errors
    /// `InvalidData` for an object that was cut off or added to; those of the reader.
    pub fn len(&mut self) -> io::Result<u64> {
        if !self.length_proven {
            let last = self.last_chunk();
            self.load(last..last + 1)?;
        }
        Ok(self.clear_len)
    }

    /// Whether there are no clear bytes at all.
    ///
    /// # Errors
    /// Those of [`len`](Self::len).
    pub fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The number of the last chunk, which is the short one, maybe of no bytes.
    const fn last_chunk(&self) -> u64 {
        self.clear_len / CHUNK_LEN as u64
    }

    /// Opens these chunks, which the object has; they are then the ones at hand.
    fn load(&mut self, chunks: Range<u64>) -> io::Result<()> {
        let place = |chunk: u64| PROLOGUE_LEN as u64 + chunk * SLOT_LEN as u64;
        let from = place(chunks.start);
        let to = place(chunks.end).min(self.sealed_len);
        // Whatever fails below, nothing is at hand then.
        self.clear.clear();
        let count = usize::try_from(to - from).unwrap_or(usize::MAX);
        self.sealed.resize(count, 0);
        self.inner.seek(SeekFrom::Start(from))?;
        self.inner.read_exact(&mut self.sealed)?;
        self.clear.resize(count, 0);
        let opened = self
            .opener
            .open(chunks.start, &self.sealed, &mut self.clear);
        self.clear.truncate(*opened.as_ref().unwrap_or(&0));
        opened.map_err(MediaError::from)?;
        self.clear_from = chunks.start * CHUNK_LEN as u64;
        self.length_proven |= chunks.end > self.last_chunk();
        Ok(())
    }

    /// The bytes at hand from the position on.
    fn at_hand(&self) -> &[u8] {
        self.position
            .checked_sub(self.clear_from)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.clear.get(skip..))
            .unwrap_or_default()
    }
}

impl<R: Read + Seek> Read for ObjectReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.position >= self.clear_len {
            self.len()?;
            return Ok(0);
        }
        if self.at_hand().is_empty() {
            let last_byte = self
                .position
                .saturating_add(out.len() as u64 - 1)
                .min(self.clear_len - 1);
            let first = self.position / CHUNK_LEN as u64;
            let end = last_byte / CHUNK_LEN as u64 + 1;
            self.load(first..end.min(first + MOST_CHUNKS))?;
        }
        let from = self.at_hand();
        let count = from.len().min(out.len());
        out[..count].copy_from_slice(&from[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for ObjectReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.len()?.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "a seek to before the first byte of the object; begin at 0 or later",
            )
        })?;
        Ok(self.position)
    }
}

impl<R: Read + Seek> fmt::Debug for ObjectReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader")
            .field("opener", &self.opener)
            .field("clear_len", &self.clear_len)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
