//! What stands in the memory of a process: of the command at work, and of a program
//! that held keys and dropped them. Searched from outside, page by page, for keys in
//! all spellings, their subkeys and clear values.
//!
//! A core dump, swap and a hibernation image hold what is found here, less the pages
//! that are marked as not dumped (`dd`) or locked (`lo`).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

mod command;
mod core_file;
mod dumps;
mod library;
mod running;
mod search;

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file that only its owner can read.
fn write(path: &Path, text: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    std::io::Write::write_all(&mut options.open(path).unwrap(), text).unwrap();
}
