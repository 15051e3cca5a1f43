//! What the tests of atrest share: real servers, scratch databases on them,
//! servers to kill, links to cut, and live writers whose every statement is
//! remembered.
//!
//! Nothing here is shipped. Everything panics with advice when it cannot do its
//! work, because a test has nobody to hand an error to.
//!
//! | want | take |
//! |---|---|
//! | the URL of a shared server | [`server::postgres`], [`server::postgres18`], [`server::mariadb`], [`server::s3`], [`server::vault`], [`server::aws`] |
//! | a database of one's own, gone afterwards | [`ScratchDatabase`] |
//! | everything in it as text, to compare or to search | [`ScratchDatabase::dump`] |
//! | a server to kill and restart | [`PrivateServer`] |
//! | a connection to cut | [`CutProxy`] |
//! | HTTP requests that go wrong | [`HttpProxy`], [`Fault`] |
//! | an HTTP answer that no real server can be made to give | [`Responder`] |
//! | a file as another system encrypted it | [`earlier`] |
//! | an application that writes all the while, and proof that nothing it wrote was lost | [`traffic::Traffic`], [`model::Model`] |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a panic is how a test hears of a failure"
)]

pub mod connection;
pub mod dump;
pub mod earlier;
pub mod http;
pub mod model;
pub mod private;
pub mod proxy;
pub mod random;
pub mod responder;
pub mod scratch;
pub mod server;
mod spawn;
pub mod traffic;

pub use connection::{Connection, Dialect};
pub use dump::Dump;
pub use http::{Fault, HttpProxy};
pub use model::Model;
pub use private::PrivateServer;
pub use proxy::CutProxy;
pub use responder::{Received, Responder};
pub use scratch::ScratchDatabase;
pub use traffic::Traffic;
