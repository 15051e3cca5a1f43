//! Folders whose files are sealed in place: there and back, what is left alone, and
//! what must not happen.
#![cfg(unix)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod full;
mod killed;
mod left_alone;
mod meanwhile;
mod moved;
mod raced;
mod restored;
mod rounds;
mod steps;
mod subject_steps;
mod subjects;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use atrest_core::object::ObjectBind;
use atrest_core::{Key, KeyId, Keyring};
use atrest_media::folder::{Folder, FolderError, Operation, Options, Report, Why};

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

fn keyring() -> Keyring {
    Keyring::new(key(1), vec![]).unwrap()
}

/// Key 2 seals, key 1 opens.
fn next_keyring() -> Keyring {
    Keyring::new(key(2), vec![key(1)]).unwrap()
}

fn primary() -> KeyId {
    key(1).id()
}

fn folder(root: &Path) -> Folder {
    Folder::new(root, &[], &[], ObjectBind::Path).unwrap()
}

fn try_run(root: &Path, operation: Operation) -> Result<Report, FolderError> {
    folder(root).run(operation, keyring(), &Options::default())
}

fn run(root: &Path, operation: Operation) -> Report {
    try_run(root, operation).unwrap()
}

/// Name and reason of all that was skipped.
fn skipped(report: &Report) -> Vec<(&str, &Why)> {
    let name = |name| std::str::from_utf8(name).unwrap();
    let skipped = report.skipped.iter();
    skipped.map(|it| (name(&it.name), &it.why)).collect()
}

/// Contents, mode and time of change of each regular file below the root.
fn contents(root: &Path) -> BTreeMap<Vec<u8>, (Vec<u8>, u32, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() {
                let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
                let is = (
                    fs::read(&path).unwrap(),
                    about.mode(),
                    about.mtime(),
                    about.mtime_nsec(),
                );
                found.insert(name.to_vec(), is);
            }
        }
    }
    found
}

/// Whether a file begins as an object does.
fn is_object(path: &Path) -> bool {
    fs::read(path).unwrap().starts_with(b"ATREST\x01\x03")
}

/// Bytes of which no two chunks are the same.
fn bytes(length: usize) -> Vec<u8> {
    let count = (0_u64..).flat_map(|n| n.wrapping_mul(6_364_136_223_846_793_005).to_be_bytes());
    count.take(length).collect()
}
