use std::ops::Range;

use atrest_core::object::{CHUNK_LEN, PROLOGUE_LEN, SLOT_LEN, clear_len};
use object_store::{GetRange, ObjectMeta};

/// As whoever uses the store sees it. A length that no object has stays as it is.
pub(super) fn clear_meta(meta: ObjectMeta) -> ObjectMeta {
    let size = clear_len(meta.size).unwrap_or(meta.size);
    ObjectMeta { size, ..meta }
}

/// The number of the last chunk of so many clear bytes.
pub(super) const fn last_chunk(clear: u64) -> u64 {
    clear / CHUNK_LEN as u64
}

/// The numbers of the chunks that these clear bytes overlap.
pub(super) const fn chunks(clear: &Range<u64>) -> Range<u64> {
    let first = clear.start / CHUNK_LEN as u64;
    let end = clear.end.div_ceil(CHUNK_LEN as u64);
    first..(if end > first { end } else { first })
}

/// Where these chunks are in an object. The last one may end earlier.
pub(super) const fn places(chunks: &Range<u64>) -> Range<u64> {
    place(chunks.start)..place(chunks.end)
}

/// Saturating: asking beyond the end of an object is no error.
const fn place(chunk: u64) -> u64 {
    chunk
        .saturating_mul(SLOT_LEN as u64)
        .saturating_add(PROLOGUE_LEN as u64)
}

/// Whether the answer depends on where the object ends.
pub(super) const fn needs_end(range: &GetRange, clear: u64) -> bool {
    match range {
        GetRange::Bounded(range) => range.end > clear,
        GetRange::Offset(_) | GetRange::Suffix(_) => true,
    }
}
