//! From clear lengths to sealed ones and back: each has exactly one.

use super::{CHUNK_LEN, ObjectError, PROLOGUE_LEN, SLOT_LEN};
use crate::cobblestone::MAX_CHUNKS;
use crate::xaes::TAG;

/// The length in bytes of the object of `clear` bytes; `None` from 4 PiB on.
///
/// ```
/// use atrest_core::object::sealed_len;
/// assert_eq!(sealed_len(0), Some(72 + 16));
/// assert_eq!(sealed_len(16_384), Some(72 + 16_400 + 16)); // a full chunk, an empty last one
/// assert_eq!(sealed_len(1 << 52), None);
/// ```
#[must_use]
pub const fn sealed_len(clear: u64) -> Option<u64> {
    let full = clear / CHUNK_LEN as u64;
    if full >= MAX_CHUNKS {
        return None;
    }
    Some(PROLOGUE_LEN as u64 + clear + (full + 1) * TAG as u64)
}

/// How many clear bytes an object of `sealed` bytes holds. Only the last chunk,
/// opened, proves that the length is the object's own.
///
/// # Errors
/// [`ObjectError::Length`] for a length that no object has.
///
/// ```
/// use atrest_core::object::{clear_len, sealed_len};
/// assert_eq!(clear_len(sealed_len(100_000).unwrap()), Ok(100_000));
/// assert!(clear_len(72 + 16_400).is_err()); // the last chunk is missing
/// ```
pub const fn clear_len(sealed: u64) -> Result<u64, ObjectError> {
    let error = Err(ObjectError::Length { length: sealed });
    let Some(body) = sealed.checked_sub(PROLOGUE_LEN as u64) else {
        return error;
    };
    let (full, last) = (body / SLOT_LEN as u64, body % SLOT_LEN as u64);
    if last < TAG as u64 || full >= MAX_CHUNKS {
        return error;
    }
    Ok(full * CHUNK_LEN as u64 + last - TAG as u64)
}
