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

/// The mark of a file that is being written.
const OPEN: [u8; 48] = [0; 48];

#[test]
fn spec_example_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        folder.path(),
        &[&field("header"), &field("mark"), &field("frame")],
    );
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 234);
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
    assert!(reader.closed() && !reader.torn());
}

#[test]
fn spec_example_torn_last_frame_is_the_end_and_nothing_of_it_is_used() {
    let (header, frame) = (field("header"), field("frame"));
    let folder = tempfile::tempdir().unwrap();
    for len in 1..frame.len() {
        let path = write(folder.path(), &[&header, &OPEN, &frame[..len]]);
        let mut reader = BackupReader::open(&path, &keyring()).unwrap();
        assert!(reader.next_page().unwrap().is_none(), "{len} bytes");
        assert!(reader.torn() && !reader.closed(), "{len} bytes");
    }
}

/// Its mark, its frame, or its end: a closed file that is not whole is damaged.
#[test]
fn spec_example_closed_and_cut_or_flipped_anywhere_is_refused() {
    let file = [field("header"), field("mark"), field("frame")].concat();
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8]| {
        let path = write(folder.path(), &[bytes]);
        BackupReader::open(&path, &keyring())
            .and_then(|mut reader| reader.next_page())
            .is_err()
    };
    assert!(!refused(&file));
    for len in 0..file.len() {
        assert!(refused(&file[..len]), "{len} bytes");
    }
    for byte in 0..file.len() {
        let mut flipped = file.clone();
        flipped[byte] ^= 1;
        assert!(refused(&flipped), "byte {byte}");
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
    assert!(forged(&[&header, &OPEN, &frame, &frame], 1), "repeated");
    let mut other = header.clone();
    other[20] ^= 1;
    assert!(forged(&[&other, &OPEN, &frame], 0), "another file's");
    for byte in 4..frame.len() {
        let mut flipped = frame.clone();
        flipped[byte] ^= 1;
        assert!(forged(&[&header, &OPEN, &flipped], 0), "byte {byte}");
    }
}

/// The exit status, and what it printed.
fn python(path: &Path) -> (bool, String) {
    let python = std::env::var("ATREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut child = Command::new(&python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../spec/read_backup.py"
        ))
        .arg(path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a Python with cryptography; scripts/test installs one and sets ATREST_PYTHON");
    let key = Key::from_bytes(key()).to_base64url().to_string();
    writeln!(child.stdin.take().unwrap(), "{key}").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn spec_example_opens_in_python_too() {
    let rows = concat!(
        r#"{"target": "people.extras", "pass": 0, "key": [17], "kind": "text", "value": "Ym9ybiAxOTEy"}"#,
        "\n",
        r#"{"target": "people.extras", "pass": 0, "key": ["de", 1.5], "kind": "bytes", "value": "/wA="}"#,
        "\n"
    );
    let (header, mark, frame) = (field("header"), field("mark"), field("frame"));
    let folder = tempfile::tempdir().unwrap();
    let read = |parts: &[&[u8]]| python(&write(folder.path(), parts));
    assert_eq!(read(&[&header, &mark, &frame]), (true, rows.to_owned()));

    let (whole, text) = read(&[&header, &OPEN, &frame]);
    assert!(
        !whole && text.starts_with(rows) && text.contains("not closed"),
        "{text}"
    );
    let (whole, text) = read(&[&header, &OPEN, &frame[..80]]);
    assert!(
        !whole && !text.contains("target") && text.contains("not closed"),
        "{text}"
    );
    let (whole, text) = read(&[&header, &mark, &frame[..80]]);
    assert!(
        !whole && !text.contains("target") && text.contains("closed at byte 234"),
        "{text}"
    );
    let mut bad = mark.clone();
    bad[20] ^= 1;
    let (whole, text) = read(&[&header, &bad, &frame]);
    assert!(
        !whole && !text.contains("target") && text.contains("mark"),
        "{text}"
    );
    let mut bad = frame.clone();
    bad[0] = 1;
    let (whole, text) = read(&[&header, &mark, &bad]);
    assert!(
        !whole && !text.contains("target") && text.contains("does not end"),
        "{text}"
    );
}
