//! The worked example of `spec/keyring.md`, which is the golden file, against this crate
//! and against `spec/read_keyring.py`; and what this crate writes against the Python.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod keyring_support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use atrest_core::Key;
use atrest_keys::keyring::{KeyPurpose, KeyState, OpenKeyring, Share};
use atrest_keys::{Environment, Settings, source};
use keyring_support::{Place, at};

const SPEC: &str = include_str!("../../../spec/keyring.md");
const GOLDEN: &str = include_str!("golden/keyring.jsonl");
const SHARES: &str = include_str!("golden/shares.txt");

fn bytes(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first + i as u8)
}

fn shares() -> Vec<(String, Share)> {
    let read = |line: &str| (line.to_owned(), Share::parse(line, "golden").unwrap());
    SHARES.lines().map(read).collect()
}

#[test]
fn the_golden_files_are_the_examples_of_the_document() {
    assert!(SPEC.contains(&format!("```json\n{GOLDEN}```")));
    assert!(SPEC.contains(&format!("```text\n{SHARES}```")));
}

#[test]
fn golden_keyring_of_version_1_opens() {
    let root = Key::from_bytes(bytes(0));
    let env = Environment::new([("ROOT".to_owned(), root.to_base64url().to_string())]);
    let source = source::parse("env:ROOT", &Settings::new(".")).unwrap();
    let opened = OpenKeyring::open(GOLDEN, "golden", &*source, "env:ROOT", &env).unwrap();
    assert_eq!(opened.generation(), 5);
    assert_eq!(opened.id(), Key::from_bytes(bytes(0x20)).id());
    let secrets: Vec<_> = opened.data().keys().map(Key::expose_secret).collect();
    assert_eq!(secrets, [&bytes(0x60), &bytes(0x40)]);
    let states: Vec<_> = opened.entries().iter().map(|e| e.state).collect();
    assert_eq!(
        states,
        [KeyState::Destroyed, KeyState::DecryptOnly, KeyState::Active]
    );
    assert_eq!(opened.forgotten()[0].tag, "0a0b0c0d");
    // And can be changed.
    let change = opened.rotate(KeyPurpose::Data, at(0)).unwrap();
    assert_eq!(change.expected(), 5);
    assert!(change.text().contains("\"generation\":6"));
}

#[test]
fn golden_shares_of_version_1_open_the_golden_keyring() {
    let key = Share::combine(&shares()).unwrap();
    assert_eq!(key.expose_secret(), &bytes(0x20));
    OpenKeyring::open_with(GOLDEN, "golden", key).unwrap();
}

/// The exit status, and what it printed.
fn python(path: &Path, root: &str, shares: &[&str]) -> (bool, String) {
    let python = std::env::var("ATREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut child = Command::new(&python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../spec/read_keyring.py"
        ))
        .arg(path)
        .args(shares)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a Python with cryptography; scripts/test installs one and sets ATREST_PYTHON");
    // A reader of shares does not read it.
    let _ = writeln!(child.stdin.take().unwrap(), "{root}");
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn what_is_written_opens_in_python_by_root_and_by_shares() {
    let place = Place::new();
    let keyring = place.create().await;
    let keyring = place
        .store(keyring.rotate(KeyPurpose::Data, at(9)).unwrap())
        .await;
    let keyring = place
        .store(keyring.ensure(KeyPurpose::Index, at(9)).unwrap().unwrap())
        .await;
    let keyring = place
        .store(keyring.forget("ff00", &[], at(9)).unwrap())
        .await;
    let root = std::fs::read_to_string(place.folder.path().join("root.key")).unwrap();
    let made = Share::split(keyring.expose_keyring_key(), 3, 5).unwrap();
    let texts: Vec<_> = made.iter().map(Share::to_text).collect();
    let some: Vec<&str> = [4, 0, 2].iter().map(|i| texts[*i].as_str()).collect();
    for shares in [&[][..], &some] {
        let (right, text) = python(place.file.path(), &root, shares);
        assert!(right, "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        for key in keyring.data().keys() {
            assert!(text.contains(key.to_base64url().as_str()), "{text}");
        }
        assert!(text.contains("\"ff00\""), "{text}");
    }
    let (right, text) = python(place.file.path(), &root, &some[..2]);
    assert!(!right && text.contains("too few"), "{text}");
    let other = Key::generate().unwrap().to_base64url().to_string();
    assert!(!python(place.file.path(), &other, &[]).0);
    let damaged = std::fs::read_to_string(place.file.path()).unwrap();
    std::fs::write(place.file.path(), damaged.replace("ff00", "ff01")).unwrap();
    let (right, text) = python(place.file.path(), &root, &[]);
    assert!(!right && text.contains("MAC"), "{text}");
}
