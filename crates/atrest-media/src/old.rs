use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use atrest_core::hazmat::Aes256CbcFile;
use atrest_core::{Context, FieldOpener, Form, Keyring, Sealed, Suite};
use zeroize::Zeroizing;

/// Bytes of the file that are read at once.
const PIECE: usize = 256 * 1024;

/// How an earlier system encrypted whole files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldFormat {
    /// An IV of 16 bytes, then AES-256-CBC with PKCS #7 padding, and **no MAC**: see
    /// [`Aes256CbcFile`] for what that means.
    Aes256Cbc,
    /// One Fernet token, as pyca/cryptography's `Fernet.encrypt` returns it. All of it
    /// is in memory at once: no part of a token can be trusted before its end.
    Fernet,
}

impl OldFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Aes256Cbc, Self::Fernet];

    /// Its name on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256Cbc => "aes-256-cbc",
            Self::Fernet => "fernet",
        }
    }

    /// Whether a file that was changed is refused.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Fernet)
    }
}

impl fmt::Display for OldFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not a format's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of earlier systems; write aes-256-cbc or fernet")]
pub struct ParseOldFormatError(String);

impl FromStr for OldFormat {
    type Err = ParseOldFormatError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| ParseOldFormatError(name.to_owned()))
    }
}

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
    state: State,
    clear: Zeroizing<Vec<u8>>,
    given: usize,
}

enum State {
    Cbc(Box<Aes256CbcFile>, Vec<u8>),
    Fernet(Keyring),
    Ended,
}

impl<R: Read> OldReader<R> {
    /// The file that `inner` gives from its beginning to its end.
    #[must_use]
    pub fn new(inner: R, format: OldFormat, keyring: &Keyring) -> Self {
        let state = match format {
            OldFormat::Aes256Cbc => {
                let key = keyring.primary().expose_secret();
                State::Cbc(Box::new(Aes256CbcFile::new(key)), vec![0; PIECE])
            }
            OldFormat::Fernet => State::Fernet(keyring.clone()),
        };
        Self {
            inner,
            state,
            clear: Zeroizing::default(),
            given: 0,
        }
    }

    /// Puts the next clear bytes at hand, or none at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.clear.clear();
        self.given = 0;
        // Whatever fails, nothing more comes.
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Cbc(mut file, mut piece) => {
                while self.clear.is_empty() {
                    let read = self.inner.read(&mut piece)?;
                    if read == 0 {
                        return file.finish(&mut self.clear).map_err(|_| cbc_refused());
                    }
                    let piece = piece.get(..read).unwrap_or_default();
                    file.update(piece, &mut self.clear)
                        .map_err(|_| cbc_refused())?;
                }
                self.state = State::Cbc(file, piece);
                Ok(())
            }
            State::Fernet(keyring) => {
                let mut token = Vec::new();
                self.inner.read_to_end(&mut token)?;
                let opened = FieldOpener::new(&keyring).open(
                    Form::Text,
                    &Context::new(""),
                    token.trim_ascii(),
                    &mut self.clear,
                );
                match opened {
                    Ok(Sealed {
                        suite: Suite::Fernet,
                        ..
                    }) => Ok(()),
                    _ => {
                        self.clear.clear();
                        Err(refused(
                            "it does not open as one Fernet token; check the key, and that it is the whole file",
                        ))
                    }
                }
            }
            State::Ended => Ok(()),
        }
    }
}

fn cbc_refused() -> io::Error {
    refused(
        "it does not end as AES-256-CBC with padding does; check the key, and that it is the whole file: nothing that came out of it is worth anything",
    )
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
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
