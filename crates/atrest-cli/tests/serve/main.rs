//! `atrest serve` as it is run: the policy, tokens, what is refused, signals, the log,
//! and memory that does not grow with what goes through.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![cfg(unix)]

mod access;
mod keys;
mod life;
mod names;
mod support;
