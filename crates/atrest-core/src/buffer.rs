//! Buffers that clear values pass through.

use zeroize::optimization_barrier;

/// A buffer larger than this is given back when a shorter value does not need it,
/// so that one large value costs neither its memory for ever nor its wiping again
/// and again.
pub(crate) const KEEP: usize = 1 << 20;

/// Empties `out` and makes room for `length` bytes, no more than that. When it has
/// to move for it, what it held is wiped first: a freed buffer keeps its bytes.
pub(crate) fn empty(out: &mut Vec<u8>, length: usize) {
    let too_large = out.capacity() > KEEP && length <= KEEP;
    if out.capacity() < length || too_large {
        wipe(out);
        *out = Vec::with_capacity(length);
    }
    out.clear();
}

/// Empties `out` and writes zeros over all that it has room for; gives a large buffer back.
///
/// Not by `Vec::zeroize`, which writes byte by byte: that takes longer than opening a short
/// value does.
///
/// ```
/// let mut clear = b"clear value".to_vec();
/// atrest_core::wipe(&mut clear);
/// assert!(clear.is_empty() && clear.capacity() >= 11);
/// ```
pub fn wipe(out: &mut Vec<u8>) {
    out.clear();
    out.resize(out.capacity(), 0);
    optimization_barrier(out.as_slice()); // as if it were read, so that it is written
    out.clear();
    if out.capacity() > KEEP {
        *out = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn makes_room_exactly_and_keeps_what_is_enough() {
        let mut out = b"clear value".to_vec();
        super::empty(&mut out, 100);
        assert_eq!((out.len(), out.capacity()), (0, 100));
        super::empty(&mut out, 3);
        assert_eq!((out.len(), out.capacity()), (0, 100));
    }

    #[test]
    fn gives_a_large_buffer_back() {
        let mut out = vec![1; 3 * super::KEEP];
        super::empty(&mut out, 2 * super::KEEP);
        assert_eq!(out.capacity(), 3 * super::KEEP);
        super::empty(&mut out, 10);
        assert_eq!(out.capacity(), 10);
    }
}
