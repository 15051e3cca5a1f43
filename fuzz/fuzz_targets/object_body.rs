//! What the fuzz target `object` does with an input; `cargo test` replays the
//! corpus through the same function.

use atrest_core::object::{ObjectHeader, ObjectOpener, clear_len, open_object, sealed_len};
use atrest_core::{Key, Keyring};

const ID: &[u8] = b"clip";

/// Reads the input as an object; says whether it opens.
///
/// The keys are the bytes 1 and 2, 32 times each; the logical id is "clip".
pub(crate) fn run(data: &[u8]) -> bool {
    let previous = vec![Key::from_bytes([2; 32])];
    let Ok(keyring) = Keyring::new(Key::from_bytes([1; 32]), previous) else {
        unreachable!("two keys with two ids")
    };
    let header = ObjectHeader::read(data);
    let length = clear_len(data.len() as u64);
    if let Ok(n) = length {
        assert_eq!(sealed_len(n), Some(data.len() as u64));
    }
    let opened = open_object(&keyring, ID, data);
    if let Ok(clear) = &opened {
        assert!(header.is_ok());
        assert_eq!(length, Ok(clear.len() as u64));
    }
    // The same in place, from any chunk on: it opens at the first only.
    if let Some((prologue, chunks)) = data.split_first_chunk()
        && let Ok(opener) = ObjectOpener::new(&keyring, ID, prologue)
    {
        for first in [0, 1, u64::MAX] {
            let in_place = opener.open_in_place(first, &mut chunks.to_vec());
            assert!(length.is_err() || in_place.is_ok() == (first == 0 && opened.is_ok()));
        }
    }
    opened.is_ok()
}
