//! The front doors over real sockets, real TLS and a real bus, before a node in memory.

mod bus;
mod client;
mod http;
mod node;
mod remote;
