//! The front doors over real sockets, real TLS and a real bus, before a node in memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

mod audit;
mod bus;
mod client;
mod http;
mod node;
mod remote;
