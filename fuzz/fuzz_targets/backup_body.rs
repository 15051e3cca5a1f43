//! What the fuzz target `backup` does with an input; `cargo test` replays the
//! corpus through the same function.
//!
//! The input is read as a whole file, and as the content of one frame that
//! authenticates: chance alone never gets past the tag to the page inside.

use std::path::PathBuf;

use atrest_core::{Key, Keyring, Purpose, hazmat};
use atrest_engine::backup::BackupReader;

const KEY: [u8; 32] = [7; 32];

/// Reads the input both ways; says whether it was a file to its end, and a page.
pub(crate) fn run(data: &[u8]) -> (bool, bool) {
    let Ok(keyring) = Keyring::new(Key::from_bytes(KEY), vec![]) else {
        unreachable!("one key is a keyring")
    };
    let path = place();
    let file = read(&path, data, &keyring).is_some_and(|(_, whole)| whole);
    let page = read(&path, &framed(data, &keyring), &keyring).is_some_and(|(pages, whole)| {
        assert!(pages <= 1, "there is one frame");
        pages == 1 && whole
    });
    let _gone = std::fs::remove_file(path);
    (file, page)
}

/// Pages read, and whether the end was reached without an error or a torn frame.
fn read(path: &PathBuf, bytes: &[u8], keyring: &Keyring) -> Option<(usize, bool)> {
    if let Err(error) = std::fs::write(path, bytes) {
        unreachable!("the temporary folder can be written to: {error}")
    }
    let mut reader = BackupReader::open(path, keyring).ok()?;
    let mut pages = 0;
    loop {
        let before = reader.offset();
        match reader.next_page() {
            Ok(Some(page)) => {
                pages += 1;
                assert!(reader.offset() > before && reader.offset() <= reader.len());
                assert!(page.rows.len() <= bytes.len(), "rows out of nothing");
            }
            Ok(None) => return Some((pages, !reader.torn())),
            Err(_) => return Some((pages, false)),
        }
    }
}

/// A file whose only frame is authentic and holds `content`.
fn framed(content: &[u8], keyring: &Keyring) -> Vec<u8> {
    let key = keyring.primary();
    let mut file = b"ATRESTBK\x01\x01".to_vec();
    file.extend_from_slice(&key.id().0);
    file.extend_from_slice(&[0; 34]);
    let mut aad = file.clone();
    aad.extend_from_slice(&[0; 8]);
    // The mark of a file that was not closed.
    file.extend_from_slice(&[0; 48]);
    let nonce = [9; 24];
    let cipher = hazmat::Xaes256Gcm::new(&key.derive::<32>(Purpose::Backup));
    let mut frame = content.to_vec();
    if cipher
        .seal_in_place_append_tag(&nonce, &aad, &mut frame)
        .is_err()
    {
        unreachable!("a short input can be sealed")
    }
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    file.extend_from_slice(&len.to_be_bytes());
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&frame);
    file
}

/// A file of this thread's own.
fn place() -> PathBuf {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    std::env::temp_dir().join(format!("atrest-fuzz-backup.{process}.{thread:?}"))
}
