//! The server over real loopback sockets, by a client that writes every byte itself.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod conditions;
mod limits;
mod list;
mod names;
mod observed;
mod ranges;
mod roles;
mod sealed;
mod shutdown;
mod support;
mod tls;
mod two;
mod uploads;
