//! The example of `spec/backup.md`, read by this crate and by
//! `spec/read_backup.py`, and the damage that the document speaks of.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use atrest_core::{Key, Keyring};
use atrest_engine::backup::{BackupError, BackupReader};
use atrest_engine::target::{KeyValue, RowKey, Value};

const SPEC: &str = include_str!("../../../spec/backup.md");

/// A hex field of the example.
fn field(name: &str) -> Vec<u8> {
    let line = SPEC
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" = "))
        .find(|(label, value)| {
            label.trim() == name && value.bytes().all(|b| b.is_ascii_hexdigit())
        });
    let hex = line.expect("the example has this field").1;
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

fn key() -> [u8; 32] {
    std::array::from_fn(|i| u8::try_from(i).unwrap())
}

fn keyring() -> Keyring {
    Keyring::new(Key::from_bytes(key()), vec![]).unwrap()
}

fn write(folder: &Path, parts: &[&[u8]]) -> std::path::PathBuf {
    let path = folder.join("example.backup");
    std::fs::write(&path, parts.concat()).unwrap();
    path
}

#[test]
fn spec_example_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[&field("header"), &field("frame")]);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 170);
    let mut reader = BackupReader::open(&path, &keyring()).unwrap();
    let page = reader.next_page().unwrap().unwrap();
    assert_eq!((page.target.as_str(), page.pass), ("people.extras", 0));
    assert_eq!(
        page.rows,
        [
            (
                RowKey(vec![KeyValue::Integer(17)]),
                Value::Text(b"born 1912".to_vec())
            ),
            (
                RowKey(vec![
                    KeyValue::Text("de".into()),
                    KeyValue::Real(1.5_f64.to_bits())
                ]),
                Value::Bytes(vec![0xff, 0])
            ),
        ]
    );
    assert!(reader.next_page().unwrap().is_none());
    assert!(!reader.torn());
}

#[test]
fn spec_example_torn_last_frame_is_the_end_and_nothing_of_it_is_used() {
    let (header, frame) = (field("header"), field("frame"));
    let folder = tempfile::tempdir().unwrap();
    for len in 1..frame.len() {
        let path = write(folder.path(), &[&header, &frame[..len]]);
        let mut reader = BackupReader::open(&path, &keyring()).unwrap();
        assert!(reader.next_page().unwrap().is_none(), "{len} bytes");
        assert!(reader.torn(), "{len} bytes");
    }
}

#[test]
fn spec_example_repeated_flipped_and_foreign_frames_are_refused() {
    let (header, frame) = (field("header"), field("frame"));
    let folder = tempfile::tempdir().unwrap();
    let forged = |parts: &[&[u8]], good: usize| {
        let path = write(folder.path(), parts);
        let mut reader = BackupReader::open(&path, &keyring()).unwrap();
        for _ in 0..good {
            assert!(reader.next_page().unwrap().is_some());
        }
        matches!(reader.next_page(), Err(BackupError::Forged { .. }))
    };
    assert!(forged(&[&header, &frame, &frame], 1), "repeated");
    let mut other = header.clone();
    other[20] ^= 1;
    assert!(forged(&[&other, &frame], 0), "another file's");
    for byte in 4..frame.len() {
        let mut flipped = frame.clone();
        flipped[byte] ^= 1;
        assert!(forged(&[&header, &flipped], 0), "byte {byte}");
    }
}

#[test]
fn spec_example_opens_in_python_too() {
    let python = std::env::var("ATREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[&field("header"), &field("frame")]);
    let mut child = Command::new(&python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../spec/read_backup.py"
        ))
        .arg(&path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a Python with cryptography; scripts/test installs one and sets ATREST_PYTHON");
    let key = Key::from_bytes(key()).to_base64url().to_string();
    writeln!(child.stdin.take().unwrap(), "{key}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        concat!(
            r#"{"target": "people.extras", "pass": 0, "key": [17], "kind": "text", "value": "Ym9ybiAxOTEy"}"#,
            "\n",
            r#"{"target": "people.extras", "pass": 0, "key": ["de", 1.5], "kind": "bytes", "value": "/wA="}"#,
            "\n"
        )
    );
}
