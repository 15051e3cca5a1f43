//! Replays the corpus of the fuzz targets that belong to this crate through the very
//! functions that the fuzzer calls.
#![cfg(feature = "s3")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../../fuzz/fuzz_targets/s3_answer_body.rs"]
mod s3_answer_body;

/// No input panics, and one is accepted exactly when its file's name starts with `good`.
fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let folder = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let (mut good, mut bad) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let accepted = run(&std::fs::read(&path).unwrap());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            continue; // found by the fuzzer, which names inputs by their hash
        }
        assert_eq!(accepted, name.starts_with("good"), "{target}/{name}");
        *(if accepted { &mut good } else { &mut bad }) += 1;
    }
    assert!(
        good >= 4 && bad >= 7,
        "{target}: {good} good and {bad} bad inputs"
    );
}

#[test]
fn s3_answer() {
    replay("s3_answer", s3_answer_body::run);
}
