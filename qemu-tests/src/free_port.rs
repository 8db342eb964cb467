//! A port of the host's loopback interface that nobody uses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Asks the kernel for a free TCP port of 127.0.0.1. It gives each out only after having gone
/// through all the others, so that the next one who asks does not get it either.
///
/// # Errors
/// No port is free.
pub fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
