//! The real binary on real databases: whole lives, interruptions, exit statuses and
//! the text of every error.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod backup;
#[cfg(unix)]
mod buckets;
mod copies;
mod erasure;
mod errors;
#[cfg(unix)]
mod files;
mod forget;
mod interrupted;
mod json;
mod keyring;
mod killed;
mod killed_external;
mod life;
mod look;
mod lost;
mod older;
#[cfg(unix)]
mod pty;
#[cfg(unix)]
mod retire;
#[cfg(unix)]
mod subject_files;
mod support;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod told;
