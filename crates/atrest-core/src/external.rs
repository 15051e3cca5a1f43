//! Tokens of other software: what `atrest adopt` takes over and `atrest exit` leaves.
//!
//! | format | key | token | value |
//! |---|---|---|---|
//! | `fernet` | 32 bytes in base64url | Fernet | as it is |
//! | `sqlalchemy-utils` | SHA-256(secret) | Fernet | as it is |
//! | `django-fernet-fields` | HKDF-SHA-256(secret, salt and info of its own) | Fernet | as it is |
//! | `django-fernet-encrypted-fields` | PBKDF2-HMAC-SHA-256(SECRET_KEY, SALT_KEY, 100,000) | Fernet, or JSON whose leaves are | as it is |
//! | `django-cryptography` | AES-256: PBKDF2-HMAC-SHA-256(secret, salt of its own, 30,000); HMAC: SECRET_KEY | Fernet's layout in bytes | a pickle |
//!
//! Sources: sqlalchemy_utils 0.43 `types/encrypted/encrypted_type.py`, django-fernet-fields
//! 0.6 `hkdf.py`, django-fernet-encrypted-fields 0.4 `fields.py`, django-cryptography 1.1
//! `utils/crypto.py` and `core/signing.py`.

mod derive;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod json_leaves;
mod opener;
mod pickle;
mod signed_cbc;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{KeyId, KeyParseError, Keyring, KeyringError};

pub use opener::ExternalOpener;

/// How other software makes its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExternalFormat {
    /// `fernet`: github.com/fernet/spec, under a key of its own spelling.
    Fernet,
    /// `sqlalchemy-utils`: `StringEncryptedType` and `EncryptedType` with `FernetEngine`.
    SqlalchemyUtils,
    /// `django-fernet-fields`, with `FERNET_USE_HKDF` (its default).
    DjangoFernetFields,
    /// `django-fernet-encrypted-fields`, its JSON fields too.
    DjangoFernetEncryptedFields,
    /// `django-cryptography`: `encrypt(...)` of any field.
    DjangoCryptography,
}

/// Not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a format that can be taken over; write fernet, sqlalchemy-utils, \
     django-fernet-fields, django-fernet-encrypted-fields or django-cryptography"
)]
pub struct ParseExternalFormatError(pub String);

impl ExternalFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [
        Self::Fernet,
        Self::SqlalchemyUtils,
        Self::DjangoFernetFields,
        Self::DjangoFernetEncryptedFields,
        Self::DjangoCryptography,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fernet => "fernet",
            Self::SqlalchemyUtils => "sqlalchemy-utils",
            Self::DjangoFernetFields => "django-fernet-fields",
            Self::DjangoFernetEncryptedFields => "django-fernet-encrypted-fields",
            Self::DjangoCryptography => "django-cryptography",
        }
    }
}

impl fmt::Display for ExternalFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ExternalFormat {
    type Err = ParseExternalFormatError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == s)
            .ok_or_else(|| ParseExternalFormatError(s.to_owned()))
    }
}

/// What the other software was configured with.
#[derive(Default)]
pub struct ExternalSecrets {
    /// Its keys or secrets, the newest first: `SECRET_KEY`, `FERNET_KEYS`, the type's `key`.
    pub keys: Vec<Zeroizing<String>>,
    /// `SALT_KEY` of django-fernet-encrypted-fields.
    pub salts: Vec<Zeroizing<String>>,
    /// `CRYPTOGRAPHY_KEY` of django-cryptography, where it is set.
    pub encryption_key: Option<Zeroizing<String>>,
}

/// Why there are no keys in what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalKeyError {
    /// No key at all.
    #[error("{0} needs the key that its tokens were made with; name where it is")]
    NoKey(ExternalFormat),
    /// The format mixes a salt in.
    #[error(
        "django-fernet-encrypted-fields makes its keys of SECRET_KEY and SALT_KEY; name where SALT_KEY is, too"
    )]
    NoSalt,
    /// The format has no salt.
    #[error("{0} knows no salt of the application's; leave it out")]
    NoUseForSalt(ExternalFormat),
    /// The format has one key for both.
    #[error("{0} knows no second key for encryption; leave it out")]
    NoUseForEncryptionKey(ExternalFormat),
    /// A Fernet key that is none.
    #[error(transparent)]
    Key(#[from] KeyParseError),
    /// One key twice.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

/// The keys that other software's tokens are made with. Cloning shares them.
///
/// ```
/// use atrest_core::{ExternalFormat, ExternalKeys, ExternalSecrets, Form, Stored};
/// let secrets = ExternalSecrets { keys: vec!["s3cret".to_owned().into()], ..Default::default() };
/// let keys = ExternalKeys::derive(ExternalFormat::SqlalchemyUtils, &secrets)?;
///
/// let mut clear = Vec::new();
/// // Not of that software: somebody else has to say what it is.
/// assert_eq!(keys.opener().read(Form::Text, b"in clear", &mut clear), None);
/// # Ok::<(), atrest_core::ExternalKeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExternalKeys(Arc<Keys>);

struct Keys {
    format: ExternalFormat,
    keyring: Keyring,
    /// What `django-cryptography` signs with.
    signing: derive::Signing,
}

impl ExternalKeys {
    /// Makes the keys as the other software does. Takes a moment where that stretches
    /// passwords.
    ///
    /// # Errors
    /// A key or salt that is missing, too much, or malformed.
    pub fn derive(
        format: ExternalFormat,
        secrets: &ExternalSecrets,
    ) -> Result<Self, ExternalKeyError> {
        let (keyring, signing) = derive::keys(format, secrets)?;
        Ok(Self::of(format, keyring, signing))
    }

    /// Standard Fernet under the keys of a keyring.
    #[must_use]
    pub fn fernet(keyring: Keyring) -> Self {
        Self::of(ExternalFormat::Fernet, keyring, Vec::new())
    }

    fn of(format: ExternalFormat, keyring: Keyring, signing: derive::Signing) -> Self {
        Self(Arc::new(Keys {
            format,
            keyring,
            signing,
        }))
    }

    /// How the tokens are made.
    #[must_use]
    pub fn format(&self) -> ExternalFormat {
        self.0.format
    }

    /// The keys themselves, as the cipher uses them.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// Whether reports mean one of these keys by this id.
    #[must_use]
    pub fn holds(&self, id: KeyId) -> bool {
        self.0.keyring.get(id).is_some()
    }

    /// Opens tokens with them.
    #[must_use]
    pub fn opener(&self) -> ExternalOpener {
        ExternalOpener::new(self)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:?}", self.format, self.keyring)
    }
}

#[cfg(test)]
mod tests;
