//! What the fuzz target `http` does with an input; `cargo test` replays the corpus
//! through the same function.

use atrest_server::fuzzing::{Answer, get};

/// Reads the input as lines `Name: value` of a GET of a hundred bytes, and of none; says
/// whether a part of the hundred is given.
pub(crate) fn run(data: &[u8]) -> bool {
    let lines = data.split(|byte| *byte == b'\n');
    let headers: Vec<_> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .collect();
    assert!(!matches!(get(&headers, 0), Answer::Part(part) if !part.is_empty()));
    match get(&headers, 100) {
        Answer::Part(part) => {
            assert!(part.start < part.end && part.end <= 100, "{part:?}");
            true
        }
        Answer::Refused(status) => {
            assert!(matches!(status, 304 | 412 | 416));
            false
        }
        Answer::Whole => false,
    }
}
