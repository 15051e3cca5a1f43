//! What the fuzz target `pickle` does with an input; `cargo test` replays the corpus
//! through the same function.

use atrest_core::fuzzing::pickled;

/// Reads the input as a pickle; says whether it has a text.
pub(crate) fn run(data: &[u8]) -> bool {
    let Some(text) = pickled(data) else {
        return false;
    };
    // What a few bytes can ask for many times over stays in proportion.
    assert!(text.len() <= (data.len() + 1024) * 128, "{}", text.len());
    // It ends where it says, and no earlier.
    assert_eq!(data.last(), Some(&b'.'));
    assert_eq!(pickled(&data[..data.len() - 1]), None);
    assert_eq!(pickled(&[data, b"."].concat()), None);
    true
}
