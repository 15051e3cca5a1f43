use std::fmt;
use std::io::{self, Read};

use atrest_core::Keyring;
use zeroize::Zeroizing;

use super::{OldFormat, OldOpener};

/// Bytes of the file that are read at once.
const PIECE: usize = 256 * 1024;

/// Reads the clear bytes of a file that an earlier system encrypted.
///
/// Under `aes-256-cbc` with the keyring's primary key (such a file does not say
/// which key it needs) and in constant memory; a wrong key or a cut shows at the end
/// only, so nothing is final before the last read gave 0 bytes. Under `fernet` with
/// whatever key of the keyring opens the token, checked before the first byte.
///
/// What does not open comes as [`io::ErrorKind::InvalidData`].
///
/// ```
/// use std::io::Read as _;
/// use atrest_core::{Key, Keyring};
/// use atrest_media::{OldFormat, OldReader};
///
/// // From the Fernet specification.
/// let key = Key::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")?;
/// let file = b"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==\n";
/// let mut clear = String::new();
/// OldReader::new(&file[..], OldFormat::Fernet, &Keyring::new(key, vec![])?)
///     .read_to_string(&mut clear)?;
/// assert_eq!(clear, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OldReader<R> {
    inner: R,
    /// None at the end, and once something failed.
    opener: Option<OldOpener>,
    piece: Vec<u8>,
    clear: Zeroizing<Vec<u8>>,
    given: usize,
}

impl<R: Read> OldReader<R> {
    /// The file that `inner` gives from its beginning to its end.
    #[must_use]
    pub fn new(inner: R, format: OldFormat, keyring: &Keyring) -> Self {
        Self {
            inner,
            opener: Some(OldOpener::new(format, keyring)),
            piece: vec![0; PIECE],
            clear: Zeroizing::default(),
            given: 0,
        }
    }

    /// Puts the next clear bytes at hand, or none at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.clear.clear();
        self.given = 0;
        // Whatever fails, nothing more comes.
        let Some(mut opener) = self.opener.take() else {
            return Ok(());
        };
        while self.clear.is_empty() {
            let read = match self.inner.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return opener.finish(&mut self.clear);
            }
            let piece = self.piece.get(..read).unwrap_or_default();
            opener.push(piece, &mut self.clear)?;
        }
        self.opener = Some(opener);
        Ok(())
    }
}

impl<R: Read> Read for OldReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.given == self.clear.len() {
            self.refill()?;
        }
        let rest = self.clear.get(self.given..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(out), Some(rest)) = (out.get_mut(..count), rest.get(..count)) {
            out.copy_from_slice(rest);
        }
        self.given += count;
        Ok(count)
    }
}

impl<R> fmt::Debug for OldReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OldReader")
    }
}
