//! Objects: files of any size under the suite `cobblestone-256`, in chunks that
//! open one by one (spec/objects.md).
//!
//! ```text
//! object  = header | salt (24) | commitment (32) | chunk | chunk | ... | last chunk
//! header  = "ATREST" | 0x01 | 0x03 | key id (4) | 0x00 (4)
//! chunk   = AES-256-GCM of 16,384 clear bytes, tag (16); the last one of fewer
//! ```
//!
//! | to | use |
//! |---|---|
//! | seal or open what fits in memory | [`seal_object`], [`open_object`] |
//! | seal a stream, on any number of threads | [`ObjectSealer`], [`SealChunks`] |
//! | open any part of one | [`ObjectOpener`] |
//! | tell whether something is an object, and whose | [`ObjectHeader`] |

mod bind;
mod error;
mod header;
mod length;
mod opener;
mod sealer;

pub use bind::{ObjectBind, ParseObjectBindError};
pub use error::ObjectError;
pub use header::ObjectHeader;
pub use length::{clear_len, sealed_len};
pub use opener::{ObjectOpener, open_object};
pub use sealer::{ObjectSealer, SealChunks, seal_object};

use crate::cobblestone;

/// Bytes before the first chunk: header, salt, commitment.
pub const PROLOGUE_LEN: usize = header::LEN + cobblestone::SALT + cobblestone::COMMITMENT;
/// Clear bytes of every chunk but the last.
pub const CHUNK_LEN: usize = cobblestone::CHUNK;
/// Sealed bytes of every chunk but the last: chunk `k` stands at
/// `PROLOGUE_LEN + k * SLOT_LEN`.
pub const SLOT_LEN: usize = cobblestone::SLOT;
