//! Files that an earlier system encrypted.

mod opener;
mod reader;
#[cfg(feature = "s3")]
mod stream;

use std::fmt;
use std::str::FromStr;

pub(crate) use opener::OldOpener;
pub use reader::OldReader;
#[cfg(feature = "s3")]
pub(crate) use stream::opened;

/// How an earlier system encrypted whole files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldFormat {
    /// An IV of 16 bytes, then AES-256-CBC with PKCS #7 padding, and **no MAC**: see
    /// [`Aes256CbcFile`](atrest_core::hazmat::Aes256CbcFile) for what that means.
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
