//! The sixteen bytes that an object begins with.

use super::ObjectError;
use crate::KeyId;

const MAGIC: &[u8; 6] = b"ATREST";
const VERSION: u8 = 0x01;
const COBBLESTONE_256: u8 = 0x03;
/// Its length in bytes.
pub(crate) const LEN: usize = 16;

/// What an object says of itself: `"ATREST" | 0x01 | suite | key id (4) | zero (4)`.
///
/// A claim until [`ObjectOpener::new`](super::ObjectOpener::new) has checked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectHeader {
    /// The key that it was sealed under.
    pub key: KeyId,
}

impl ObjectHeader {
    /// Reads the header at the start of `object` (its first 16 bytes or more).
    ///
    /// # Errors
    /// [`ObjectError::NotAnObject`], and [`ObjectError::NewerKind`] for a version or
    /// suite that is not known here.
    ///
    /// ```
    /// use atrest_core::object::{ObjectError, ObjectHeader};
    /// assert_eq!(ObjectHeader::read(b"\x89PNG\r\n\x1a\n").unwrap_err(), ObjectError::NotAnObject);
    /// ```
    pub fn read(object: &[u8]) -> Result<Self, ObjectError> {
        let Some(bytes) = object.first_chunk::<LEN>() else {
            return Err(ObjectError::NotAnObject);
        };
        let [magic @ .., version, suite, a, b, c, d, z0, z1, z2, z3] = bytes;
        if magic != MAGIC {
            return Err(ObjectError::NotAnObject);
        }
        if (*version, *suite) != (VERSION, COBBLESTONE_256) || [z0, z1, z2, z3] != [&0; 4] {
            let kind = format!("version {version}, suite {suite}");
            return Err(ObjectError::NewerKind(kind));
        }
        let key = KeyId([*a, *b, *c, *d]);
        Ok(Self { key })
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..6].copy_from_slice(MAGIC);
        bytes[6] = VERSION;
        bytes[7] = COBBLESTONE_256;
        bytes[8..12].copy_from_slice(&self.key.0);
        bytes
    }
}
