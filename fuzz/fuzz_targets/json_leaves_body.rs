//! What the fuzz target `json_leaves` does with an input; `cargo test` replays the corpus
//! through the same function.

use atrest_core::fuzzing::leaves;

/// Reads the input as JSON with leaves to be taken; says whether all were.
pub(crate) fn run(data: &[u8]) -> bool {
    let Some(out) = leaves(data) else {
        return false;
    };
    // Names and structure stay: as many brackets of each kind, outside of strings.
    for (open, close) in [(b'[', b']'), (b'{', b'}')] {
        assert_eq!(outside(data, open), outside(&out, open));
        assert_eq!(outside(&out, open), outside(&out, close));
    }
    true
}

/// How often a byte stands outside of strings.
fn outside(text: &[u8], byte: u8) -> usize {
    let (mut inside, mut escaped, mut count) = (false, false, 0);
    for b in text {
        match b {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => count += usize::from(!inside && *b == byte),
        }
    }
    count
}
