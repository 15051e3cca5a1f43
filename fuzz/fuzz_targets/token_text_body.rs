//! What the fuzz target `token_text` does with an input; `cargo test` replays the
//! corpus through the same function.

use atrest_core::{Context, FieldOpener, Form, Key, Keyring, Stored};

/// Reads the input as a stored value; says whether it is sealed.
///
/// The keys are the bytes 1 and 2, 32 times each; the context is "people.extras".
pub(crate) fn run(data: &[u8]) -> bool {
    let previous = vec![Key::from_bytes([2; 32])];
    let Ok(keyring) = Keyring::new(Key::from_bytes([1; 32]), previous) else {
        unreachable!("two keys with two ids")
    };
    let context = Context::new("people.extras");
    let (mut opener, mut clear) = (FieldOpener::new(&keyring), Vec::new());
    let stored = opener.read(Form::Text, &context, data, &mut clear);
    assert!(
        clear.capacity() <= data.len().max(8),
        "more room than the input needs"
    );
    match stored {
        Stored::Sealed(_) => assert!(clear.len() < data.len()),
        Stored::Plaintext => assert_eq!(clear, data),
        Stored::Undecryptable(_) => assert!(clear.is_empty()),
    }
    let opened = opener.open(Form::Text, &context, data, &mut clear);
    assert_eq!(opened.is_ok(), matches!(stored, Stored::Sealed(_)));
    assert!(opened.is_ok() || clear.is_empty());
    opened.is_ok()
}
