//! The front doors: HTTP on a unix socket and over TLS, and D-Bus. Each finds out who asks, checks
//! that the caller may, calls [`crate::ops::Operations`] and words the answer.

mod access;
mod attach;
mod audit;
mod body;
mod bus;
mod connection;
mod container_handlers;
mod exec;
mod handlers;
mod host1;
mod local;
pub mod pki;
mod reply;
mod routes;
mod server;
mod session;
mod stored_handlers;
mod tar_handlers;
mod tls;

pub use access::{Peer, Role};
pub use bus::{BUS_NAME, Bus, BusAddress, BusError, OBJECT_PATH};
pub use routes::{Endpoint, Method, ROUTES, Route};
pub use server::{ApiServer, ServeError, ServerOptions};
pub use tls::TlsError;
