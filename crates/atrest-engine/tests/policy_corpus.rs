//! Replays the fuzzing corpus of the policy parser: whatever the text, no panic,
//! and what is accepted keeps its meaning when contexts are written into it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../../../fuzz/fuzz_targets/policy_body.rs"]
mod policy_body;

#[test]
fn corpus_of_the_policy_parser() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/policy");
    let (mut run, mut accepted) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        accepted += u32::from(policy_body::run(&bytes));
        // Every prefix too: a file that was cut off while being written.
        for end in 0..bytes.len() {
            policy_body::run(&bytes[..end]);
        }
        run += 1;
    }
    assert!(run >= 12, "the corpus has {run} files");
    assert!(accepted >= 4, "{accepted} of {run} files are policies");
}
