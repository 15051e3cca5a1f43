//! What the fuzz target `fernet` does with an input; `cargo test` replays the
//! corpus through the same function.

use atrest_core::{Context, FieldOpener, Form, Key, Keyring, OpenError, Stored, Suite};

/// Reads the input behind what Fernet tokens begin with; says whether it is sealed.
///
/// The keys are the bytes 1 and 2, 32 times each.
pub(crate) fn run(data: &[u8]) -> bool {
    let previous = vec![Key::from_bytes([2; 32])];
    let Ok(keyring) = Keyring::new(Key::from_bytes([1; 32]), previous) else {
        unreachable!("two keys with two ids")
    };
    let stored = [b"gAAAAA", data].concat();
    let (mut opener, mut clear) = (FieldOpener::new(&keyring), Vec::new());
    // Fernet binds no context and is the same in both forms.
    let text = opener.read(Form::Text, &Context::new("a"), &stored, &mut clear);
    let bytes = opener.read(Form::Bytes, &Context::new("b"), &stored, &mut clear);
    assert_eq!(text, bytes);
    match text {
        Stored::Plaintext => unreachable!("looks like Fernet"),
        Stored::Sealed(sealed) => {
            assert_eq!(sealed.suite, Suite::Fernet);
            assert_eq!(
                Suite::Fernet.token_len(Form::Text, clear.len() as u64),
                stored.len() as u64
            );
            true
        }
        Stored::Undecryptable(_) => {
            let error = opener.open(Form::Text, &Context::new("a"), &stored, &mut clear);
            assert_eq!(error, Err(OpenError::Failed));
            assert!(clear.is_empty());
            false
        }
    }
}
