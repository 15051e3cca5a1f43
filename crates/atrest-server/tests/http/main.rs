//! The server over real loopback sockets, by a client that writes every byte itself.

mod conditions;
mod limits;
mod list;
mod names;
mod observed;
mod ranges;
mod roles;
mod shutdown;
mod support;
mod tls;
mod uploads;
