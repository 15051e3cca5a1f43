//! The constructions themselves, for code that knows why it needs them: the
//! engine's backup file and journal. Nonces, framing and purposes are the
//! caller's to get right; everything else wants
//! [`FieldSealer`](crate::FieldSealer) and [`FieldOpener`](crate::FieldOpener).

pub use crate::mac::Mac;
pub use crate::xaes::{CipherError, Xaes256Gcm};
