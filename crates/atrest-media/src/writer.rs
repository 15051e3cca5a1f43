use std::fmt;
use std::io::{self, Write};

use atrest_core::Keyring;
use atrest_core::object::{CHUNK_LEN, ObjectSealer};
use zeroize::Zeroizing;

use crate::MediaError;

/// Clear bytes that are kept until they are sealed: 16 chunks.
const KEPT: usize = 16 * CHUNK_LEN;

/// Seals what is written to it.
///
/// [`finish`](Self::finish) writes the last chunk. Without it, also after an error,
/// the object is one that was cut off and does not open.
///
/// ```
/// use std::io::Write as _;
/// use atrest_core::object::open_object;
/// use atrest_core::{Key, Keyring};
/// use atrest_media::ObjectWriter;
///
/// let keyring = Keyring::new(Key::generate()?, vec![])?;
/// let mut writer = ObjectWriter::new(Vec::new(), &keyring, b"notes.txt")?;
/// writeln!(writer, "made up")?;
/// let object = writer.finish()?;
/// assert_eq!(open_object(&keyring, b"notes.txt", &object)?, b"made up\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ObjectWriter<W: Write> {
    inner: W,
    sealer: ObjectSealer,
    kept: Zeroizing<Vec<u8>>,
    sealed: Vec<u8>,
    failed: bool,
}

impl<W: Write> ObjectWriter<W> {
    /// Begins an object bound to `id` (empty: not bound) under the keyring's primary
    /// key: writes its first 72 bytes.
    ///
    /// # Errors
    /// [`MediaError::Io`]; [`MediaError::Object`] without random bytes.
    pub fn new(mut inner: W, keyring: &Keyring, id: &[u8]) -> Result<Self, MediaError> {
        let sealer = ObjectSealer::new(keyring, id)?;
        inner
            .write_all(sealer.prologue())
            .map_err(MediaError::io("writing the object"))?;
        Ok(Self {
            inner,
            sealer,
            kept: Zeroizing::new(Vec::with_capacity(KEPT)),
            sealed: Vec::new(),
            failed: false,
        })
    }

    /// Writes the rest and the end; gives the writer back, flushed.
    ///
    /// # Errors
    /// Those of the writer, and `InvalidInput` after an earlier error.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal_whole_chunks()?;
        let rest = self.kept.len();
        self.seal(rest)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn seal_whole_chunks(&mut self) -> io::Result<()> {
        match self.kept.len() - self.kept.len() % CHUNK_LEN {
            0 => Ok(()),
            whole => self.seal(whole),
        }
    }

    /// Seals and writes the first `length` kept bytes.
    fn seal(&mut self, length: usize) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an earlier write of this object failed, so it has a gap; seal it anew",
            ));
        }
        self.failed = true;
        let chunks = self.sealer.chunks(length).map_err(MediaError::from)?;
        self.sealed.resize(chunks.sealed_len(), 0);
        chunks
            .seal(&self.kept[..length], &mut self.sealed)
            .map_err(MediaError::from)?;
        self.inner.write_all(&self.sealed)?;
        self.kept.drain(..length);
        self.failed = false;
        Ok(())
    }
}

impl<W: Write> Write for ObjectWriter<W> {
    fn write(&mut self, clear: &[u8]) -> io::Result<usize> {
        if self.kept.len() == KEPT {
            self.seal_whole_chunks()?;
        }
        let taken = clear.len().min(KEPT - self.kept.len());
        self.kept.extend_from_slice(&clear[..taken]);
        Ok(taken)
    }

    /// Writes whole chunks. A chunk that was begun waits for the rest of it: only
    /// the last one of an object may be short.
    fn flush(&mut self) -> io::Result<()> {
        self.seal_whole_chunks()?;
        self.inner.flush()
    }
}

impl<W: Write> fmt::Debug for ObjectWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("sealer", &self.sealer)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
