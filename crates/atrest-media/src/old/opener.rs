use std::io;

use atrest_core::hazmat::Aes256CbcFile;
use atrest_core::{Context, FieldOpener, Form, Keyring, Sealed, Suite};

use super::OldFormat;

/// Opens a file bit by bit, as its bytes come. What it gives is worth nothing before
/// [`finish`](Self::finish) did not fail.
pub(crate) enum OldOpener {
    Cbc(Box<Aes256CbcFile>),
    /// With the token as far as it came.
    Fernet(Keyring, Vec<u8>),
}

impl OldOpener {
    pub(crate) fn new(format: OldFormat, keyring: &Keyring) -> Self {
        match format {
            OldFormat::Aes256Cbc => {
                let key = keyring.primary().expose_secret();
                Self::Cbc(Box::new(Aes256CbcFile::new(key)))
            }
            OldFormat::Fernet => Self::Fernet(keyring.clone(), Vec::new()),
        }
    }

    /// The next bytes of the file; appends to `clear` what they open.
    pub(crate) fn push(&mut self, piece: &[u8], clear: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Cbc(file) => file.update(piece, clear).map_err(|_| cbc_refused()),
            Self::Fernet(_, token) => {
                token.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Bytes that came and were not opened so far, but for a block or two.
    #[cfg(feature = "s3")]
    pub(crate) const fn held(&self) -> usize {
        match self {
            Self::Cbc(_) => 0,
            Self::Fernet(_, token) => token.len(),
        }
    }

    /// The file has ended; appends to `clear` what is left of it.
    pub(crate) fn finish(self, clear: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Cbc(file) => file.finish(clear).map_err(|_| cbc_refused()),
            Self::Fernet(keyring, token) => {
                let opened = FieldOpener::new(&keyring).open(
                    Form::Text,
                    &Context::new(""),
                    token.trim_ascii(),
                    clear,
                );
                match opened {
                    Ok(Sealed {
                        suite: Suite::Fernet,
                        ..
                    }) => Ok(()),
                    _ => {
                        clear.clear();
                        Err(refused(
                            "it does not open as one Fernet token; check the key, and that it is the whole file",
                        ))
                    }
                }
            }
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
