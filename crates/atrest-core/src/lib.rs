//! Formats and keys of atrest: what is written to a database or a disk, and what it takes
//! to read it again. `spec/` is the same thing as a document.
//!
//! | noun | file |
//! |---|---|
//! | [`Key`], [`KeyId`], [`Keyring`] | 32 secret bytes, their name, the keys in force |
//! | [`KeyWrapper`] | a key sealed under another |
//! | [`SecretBytes`], [`SecretMemory`] | what keys are held in |
//! | [`Purpose`] | the one table of what a key's subkeys are for |
//! | [`Suite`], [`Form`], [`Context`] | how a value is sealed, stored, and bound to its place |
//! | [`FieldSealer`], [`FieldOpener`] | values to tokens and back |
//! | [`object`] | files of any size, and any part of one |
//! | [`ExternalKeys`], [`ExternalOpener`] | tokens of other software, to take over |
//! | [`Stored`] | what a stored value is, decided by cryptography |
//! | [`hazmat`] | the constructions themselves, for code that knows why |
//!
//! No I/O, no clock, no async: time comes from the caller, randomness from the
//! operating system.
//!
//! ```
//! use atrest_core::{Context, FieldOpener, FieldSealer, Form, Key, Keyring, Stored, Suite};
//!
//! let keyring = Keyring::new(Key::generate()?, vec![])?;
//! let place = Context::new("people.extras");
//!
//! let mut token = Vec::new();
//! FieldSealer::new(&keyring, Suite::default(), 0)?
//!     .seal(Form::Text, &place, b"born 1912", &mut token)?;
//! assert!(token.starts_with(b"ar1."));
//!
//! let mut clear = Vec::new();
//! let stored = FieldOpener::new(&keyring).read(Form::Text, &place, &token, &mut clear);
//! assert!(matches!(stored, Stored::Sealed(_)));
//! assert_eq!(clear, b"born 1912");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aad;
mod base64;
mod buffer;
mod cbc;
mod cbc_file;
mod cbc_hmac;
mod cobblestone;
mod context;
mod external;
mod fernet;
mod field_cbc_hmac;
mod field_xaes;
mod form;
mod hash_mac;
pub mod hazmat;
mod header;
mod hkdf;
mod key;
mod key_id;
mod key_parse;
mod key_wrap;
mod keyring;
mod mac;
pub mod object;
mod opener;
mod purpose;
mod random;
mod sealer;
mod secret;
mod secret_memory;
mod stack;
mod stored;
mod suite;
#[cfg(test)]
mod vectors;
mod xaes;

pub use buffer::wipe;
pub use context::Context;
#[cfg(feature = "fuzzing")]
pub use external::fuzzing;
pub use external::{
    ExternalFormat, ExternalKeyError, ExternalKeys, ExternalOpener, ExternalSecrets,
    ParseExternalFormatError,
};
pub use form::Form;
pub use key::Key;
pub use key_id::{KeyId, ParseKeyIdError};
pub use key_parse::KeyParseError;
pub use key_wrap::KeyWrapper;
pub use keyring::{Keyring, KeyringError};
pub use opener::FieldOpener;
pub use purpose::Purpose;
pub use random::{RandomError, fill_random};
pub use sealer::{FieldSealer, SealError, seal_one};
pub use secret::SecretBytes;
pub use secret_memory::SecretMemory;
pub use stored::{OpenError, Sealed, Stored, Undecryptable};
pub use suite::{ParseSuiteError, Suite};
