//! What the fuzz target `key_parse` does with an input; `cargo test` replays the
//! corpus through the same function.

use atrest_core::Key;

/// Reads the input as a key; says whether it is one.
pub(crate) fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    match Key::parse(text) {
        Ok(key) => {
            let Ok(again) = Key::parse(&key.to_base64url()) else {
                unreachable!("what a key prints, a key reads")
            };
            assert_eq!(again.expose_secret(), key.expose_secret());
            assert_eq!(again.id(), key.id());
            true
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("atrest key generate"));
            // Nothing of any length that could be a secret is repeated.
            let secret = text.trim();
            assert!(secret.len() < 20 || !said.contains(secret));
            false
        }
    }
}
