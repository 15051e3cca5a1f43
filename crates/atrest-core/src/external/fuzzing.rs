//! What reads the clear values of other software, for the fuzz targets. Without the feature
//! `fuzzing`, which nothing that is shipped has on, none of it is to be reached.

use super::{json_leaves, pickle};

/// A pickled value as text.
#[must_use]
pub fn pickled(bytes: &[u8]) -> Option<Vec<u8>> {
    pickle::text(bytes)
}

/// The JSON with each leaf that ends with `!` replaced by the string before it; `None`
/// unless every leaf is one.
#[must_use]
pub fn leaves(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = json_leaves::read(text, &mut out, |leaf, out| {
        json_leaves::write_string(leaf.strip_suffix(b"!")?, out)
    });
    (read == json_leaves::Read::AllOpened).then_some(out)
}
