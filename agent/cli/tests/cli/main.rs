//! The command as people and scripts see it: what it prints and how it exits, against the agent's
//! real front door on a unix socket and over TLS, before a node in memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

mod errors;
mod help;
mod import;
#[path = "../../../daemon/tests/front/node/mod.rs"]
mod node;
mod pki;
mod run;
mod streams;
mod views;
mod wait;
