//! The HTTP face: objects of a store that shows them in clear, for who may read them.
//!
//! | route | what it does |
//! |---|---|
//! | `PUT`, `GET`, `HEAD`, `DELETE /clips/{name}` | one object; GET gives ranges |
//! | `GET /clips` | the list, in pages |
//! | `GET /healthz`, `/readyz`, `/metrics`, `/openapi.json` | for who runs it |
//!
//! Nothing here prints, reads the environment or ends the process: configuration
//! comes in, a [`Server`] comes out.
//!
//! ```
//! use std::sync::Arc;
//! use atrest_server::{Role, Server, TokenHash, Tokens, generate_token};
//! use object_store::memory::InMemory;
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = generate_token()?;
//! let server = Server::builder(Arc::new(InMemory::new()))
//!     .tokens(Tokens::new(vec![TokenHash::of(Role::Write, &token)]))
//!     .build()?;
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async {}; // at once
//! let ended = server.serve(listener, stop).await?;
//! assert_eq!(ended.cut, 0);
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it is for |
//! |---|---|
//! | `builder.rs`, `server.rs` | what a server is made of and what it refuses; the routes |
//! | `connections.rs`, `stall.rs`, `taking.rs`, `tls.rs`, `limits.rs` | sockets, and how long they may take |
//! | `access.rs`, `token.rs`, `host.rs` | who may do what, and from where |
//! | `name.rs`, `choice.rs` | what is a name, and which are taken: what is not gets no further |
//! | `clips/` | the requests themselves: `get.rs`, `change.rs` with `commit.rs`, `list.rs` |
//! | `range.rs`, `condition.rs`, `representation.rs` | RFC 9110: which part, whether at all, with which headers |
//! | `failure.rs`, `problem.rs` | what a store's errors become: RFC 9457 |
//! | `switch.rs` | a store that is exchanged while requests go on: other keys |
//! | `watch.rs`, `metrics.rs`, `probes.rs` | log, metrics, health |
//! | `openapi.rs` | the document |

mod access;
mod builder;
mod choice;
mod clips;
mod condition;
mod connections;
mod error;
mod failure;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod host;
mod limits;
mod locks;
mod metrics;
mod name;
mod openapi;
mod probes;
mod problem;
mod range;
mod representation;
mod server;
mod stall;
mod state;
mod switch;
mod taking;
mod tls;
mod token;
mod watch;

pub use builder::ServerBuilder;
pub use connections::Ended;
pub use error::ServeError;
pub use limits::Limits;
pub use metrics::Metrics;
pub use openapi::document as openapi_document;
pub use server::Server;
pub use switch::Switch;
pub use tls::{Tls, TlsError};
pub use token::{Role, TokenError, TokenHash, Tokens, generate as generate_token};
