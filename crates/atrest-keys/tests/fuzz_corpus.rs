//! Replays the corpus of every fuzz target that belongs to this crate through the very
//! function that the fuzzer calls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/fuzz_targets/keyring_body.rs"]
mod keyring_body;

/// No input panics, nor does any beginning of one, and one is accepted exactly when its
/// file's name starts with `good`.
#[test]
fn keyring() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/keyring");
    let (mut good, mut bad) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let accepted = keyring_body::run(&bytes);
        for end in (0..bytes.len()).step_by(7) {
            keyring_body::run(&bytes[..end]);
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            continue; // found by the fuzzer, which names inputs by their hash
        }
        assert_eq!(accepted, name.starts_with("good"), "{name}");
        *(if accepted { &mut good } else { &mut bad }) += 1;
    }
    assert!(good >= 5 && bad >= 20, "{good} good and {bad} bad inputs");
}
