//! Ports of a namespace machine that the host's loopback interface forwards to.

use crate::spec::{LanPort, Publish};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A port of the host cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The address is not a loopback one.
    #[error("cannot publish on {0}: machines for tests listen on loopback addresses only")]
    NotLoopback(SocketAddr),
    /// The port is taken, or may not be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Takes the host's ports. Called in the host's network namespace.
pub(super) fn listen(ports: &[Publish]) -> Result<Vec<(TcpListener, u16)>, PublishError> {
    let listen_one = |publish: &Publish| {
        let address = publish.host;
        if !address.ip().is_loopback() {
            return Err(PublishError::NotLoopback(address));
        }
        let listener = TcpListener::bind(address)
            .map_err(|source| PublishError::Listen { address, source })?;
        Ok((listener, publish.port))
    };
    ports.iter().map(listen_one).collect()
}

/// Forwards what comes in. Called in the machine's network, where its threads then stay.
pub(super) fn forward(listeners: Vec<(TcpListener, u16)>, lan: Option<&LanPort>) {
    let Some(lan) = lan else { return };
    for (listener, port) in listeners {
        let to = SocketAddr::from((lan.address, port));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || {
                    if let Err(error) = relay(client, to) {
                        log::debug!("ignoring: a connection to {to} broke: {error}");
                    }
                });
            }
        });
    }
}

fn relay(client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let machine = TcpStream::connect(to)?;
    let (mut from_client, mut to_machine) = (client.try_clone()?, machine.try_clone()?);
    let upstream = thread::spawn(move || pump(&mut from_client, &mut to_machine));
    let (mut from_machine, mut to_client) = (machine, client);
    let down = pump(&mut from_machine, &mut to_client);
    let up = upstream
        .join()
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    down.and(up)
}

fn pump(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let copied = io::copy(from, to).map(drop);
    // The other side has to see the end, whatever happened.
    match to.shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => copied.and(Err(error)),
        _ => copied,
    }
}
