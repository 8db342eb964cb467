//! The agent's HTTP API, called.

mod connect;
mod http;
mod target;
mod tls;

pub(crate) use http::{Archive, Client, Lines, Outgoing};
pub(crate) use target::Target;
pub(crate) use tls::certificates;
