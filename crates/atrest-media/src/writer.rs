use std::fmt;
use std::io::{self, Write};

use atrest_core::Keyring;

use crate::MediaError;
use crate::sealing::Sealing;

/// Sealed bytes that are kept until they are written, about: 16 chunks.
const KEPT: usize = 1 << 18;

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
    sealing: Sealing,
    /// Sealed, and not yet written.
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
        let sealing = Sealing::new(keyring, id)?;
        inner
            .write_all(sealing.prologue())
            .map_err(MediaError::io("writing the object"))?;
        Ok(Self {
            inner,
            sealing,
            sealed: Vec::new(),
            failed: false,
        })
    }

    /// Writes the rest and the end; gives the writer back, flushed.
    ///
    /// # Errors
    /// Those of the writer, and `InvalidInput` after an earlier error.
    pub fn finish(mut self) -> io::Result<W> {
        self.or_failed(|this| {
            let sealed = this.sealing.finish(&mut this.sealed);
            sealed.map_err(MediaError::from)?;
            this.write_sealed()
        })?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn write_sealed(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.sealed)?;
        self.sealed.clear();
        Ok(())
    }

    /// Does it, unless something before failed.
    fn or_failed<T>(&mut self, does: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.failed {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an earlier write of this object failed, so it has a gap; seal it anew",
            ));
        }
        self.failed = true;
        let done = does(self)?;
        self.failed = false;
        Ok(done)
    }
}

impl<W: Write> Write for ObjectWriter<W> {
    fn write(&mut self, clear: &[u8]) -> io::Result<usize> {
        let taken = &clear[..clear.len().min(KEPT)];
        self.or_failed(|this| {
            let sealed = this.sealing.push(taken, &mut this.sealed);
            sealed.map_err(MediaError::from)?;
            if this.sealed.len() >= KEPT {
                this.write_sealed()?;
            }
            Ok(taken.len())
        })
    }

    /// Writes whole chunks. A chunk that was begun waits for the rest of it: only
    /// the last one of an object may be short.
    fn flush(&mut self) -> io::Result<()> {
        self.or_failed(Self::write_sealed)?;
        self.inner.flush()
    }
}

impl<W: Write> fmt::Debug for ObjectWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("sealing", &self.sealing)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
