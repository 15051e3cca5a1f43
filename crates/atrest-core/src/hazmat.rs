//! The constructions themselves, for code that knows why it needs them: the
//! engine's backup file and journal, and files that an earlier system left. Nonces, framing and purposes are the
//! caller's to get right; everything else wants
//! [`FieldSealer`](crate::FieldSealer) and [`FieldOpener`](crate::FieldOpener).

pub use crate::cbc_file::Aes256CbcFile;
pub use crate::mac::Mac;
pub use crate::xaes::{CipherError, Xaes256Gcm};
