//! What the fuzz target `s3_answer` does with an input; `cargo test` replays the corpus
//! through the same function.

use atrest_media::bucket::fuzzing::{error_code, tags, versions};

/// Reads the input as each of the answers; says whether there is something in one.
pub(crate) fn run(data: &[u8]) -> bool {
    let versions = versions(data).is_ok_and(|(versions, next)| {
        // Without a key to go on from, the same page would come for ever.
        assert!(next.is_none_or(|(key, _)| !key.is_empty()));
        !versions.is_empty()
    });
    let tags = tags(data).is_ok_and(|tags| !tags.is_empty());
    let code = error_code(data).is_some_and(|code| {
        assert!(code.len() <= data.len().max("an error".len()));
        true
    });
    versions || tags || code
}
