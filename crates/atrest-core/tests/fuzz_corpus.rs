//! Replays the corpus of every fuzz target that belongs to this crate through the
//! very function that the fuzzer calls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/fuzz_targets/fernet_body.rs"]
mod fernet_body;
#[path = "../../../fuzz/fuzz_targets/json_leaves_body.rs"]
mod json_leaves_body;
#[path = "../../../fuzz/fuzz_targets/key_parse_body.rs"]
mod key_parse_body;
#[path = "../../../fuzz/fuzz_targets/keyid_body.rs"]
mod keyid_body;
#[path = "../../../fuzz/fuzz_targets/object_body.rs"]
mod object_body;
#[path = "../../../fuzz/fuzz_targets/pickle_body.rs"]
mod pickle_body;
#[path = "../../../fuzz/fuzz_targets/token_bytes_body.rs"]
mod token_bytes_body;
#[path = "../../../fuzz/fuzz_targets/token_text_body.rs"]
mod token_text_body;

/// No input panics, and one is accepted exactly when its file's name starts with
/// `good`.
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
        good >= 2 && bad >= 5,
        "{target}: {good} good and {bad} bad inputs"
    );
}

#[test]
fn key_parse() {
    replay("key_parse", key_parse_body::run);
}

#[test]
fn keyid() {
    replay("keyid", keyid_body::run);
}

#[test]
fn token_text() {
    replay("token_text", token_text_body::run);
}

#[test]
fn token_bytes() {
    replay("token_bytes", token_bytes_body::run);
}

#[test]
fn object() {
    replay("object", object_body::run);
}

#[test]
fn fernet() {
    replay("fernet", fernet_body::run);
}

#[test]
fn pickle() {
    replay("pickle", pickle_body::run);
}

#[test]
fn json_leaves() {
    replay("json_leaves", json_leaves_body::run);
}
