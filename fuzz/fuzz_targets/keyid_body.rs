//! What the fuzz target `keyid` does with an input; `cargo test` replays the corpus
//! through the same function.

use atrest_core::KeyId;

/// Reads the input as a key id; says whether it is one.
pub(crate) fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(id) = text.parse::<KeyId>() else {
        return false;
    };
    assert_eq!(id.to_string(), text.to_ascii_lowercase());
    true
}
