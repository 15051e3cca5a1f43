//! What the fuzz target `keyring` does with an input; `cargo test` replays the corpus
//! through the same function.

use atrest_core::Key;
use atrest_keys::keyring::{OpenKeyring, Share, check};

/// Reads the input as a keyring's document and as a recovery share; says whether it is
/// one of them, for who has no key.
pub(crate) fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    if let Ok(share) = Share::parse(text, "share") {
        let Ok(again) = Share::parse(&share.to_text(), "share") else {
            unreachable!("what is written is read")
        };
        assert_eq!(*share.to_text(), *again.to_text());
        return true;
    }
    let Ok(generation) = check(text, "keyring") else {
        return false;
    };
    assert!(generation > 0);
    // The keyring key of the golden file opens that and nothing else.
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(0x20..) {
        *byte = value;
    }
    if let Ok(opened) = OpenKeyring::open_with(text, "keyring", Key::from_bytes(bytes)) {
        assert_eq!(opened.generation(), generation);
        assert!(opened.data().keys().count() <= opened.entries().len());
    }
    true
}
