//! Buffers that clear values pass through.

use zeroize::Zeroize;

/// Empties `out` and makes room for `length` bytes, no more than that. When it has
/// to move for it, what it held is wiped first: a freed buffer keeps its bytes.
pub(crate) fn empty(out: &mut Vec<u8>, length: usize) {
    if out.capacity() < length {
        out.zeroize();
        out.reserve_exact(length);
    }
    out.clear();
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
}
