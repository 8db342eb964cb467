//! TCP ports between the host's loopback interface and a namespace machine, both ways.
//!
//! The supervisor moves into the machines' network; what it opens on the host's side is opened
//! before that, or by a thread that goes back.

use crate::spec::{LanPort, NamespaceSpec};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Time between two tries to take a port of the bridge that another machine's supervisor has.
const RETRY: Duration = Duration::from_secs(1);

/// A port cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
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
    /// The host's network namespace cannot be held open.
    #[error("cannot open /proc/self/ns/net")]
    Host(#[source] io::Error),
}

/// The ports of one machine, taken on the host's side.
#[derive(Debug)]
pub(super) struct Ports {
    published: Vec<(TcpListener, u16)>,
    reach: Vec<u16>,
    host: Arc<File>,
}

impl Ports {
    /// Takes the published ports. Called in the host's network.
    pub(super) fn take(namespace: &NamespaceSpec) -> Result<Self, PortError> {
        let mut published = Vec::new();
        for publish in &namespace.publish {
            let address = publish.host;
            if !address.ip().is_loopback() {
                return Err(PortError::NotLoopback(address));
            }
            let listener = TcpListener::bind(address)
                .map_err(|source| PortError::Listen { address, source })?;
            published.push((listener, publish.port));
        }
        let host = File::open("/proc/self/ns/net").map_err(PortError::Host)?;
        Ok(Self {
            published,
            reach: namespace.reach.clone(),
            host: Arc::new(host),
        })
    }

    /// Forwards from now on. Called in the machine's network, where its threads then stay.
    pub(super) fn forward(self, lan: &LanPort) {
        for (listener, port) in self.published {
            let to = SocketAddr::from((lan.address, port));
            thread::spawn(move || accept(&listener, move || TcpStream::connect(to)));
        }
        for port in self.reach {
            let host = Arc::clone(&self.host);
            thread::spawn(move || {
                let listener = take_when_free((crate::Lan::gateway(), port).into());
                let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                accept(&listener, move || {
                    setns(&*host, CloneFlags::CLONE_NEWNET)?;
                    TcpStream::connect(to)
                });
            });
        }
    }
}

/// Machines of one network share the bridge's address: the first has the port, and another takes
/// over when that one is gone.
fn take_when_free(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => log::debug!("cannot listen on {address} yet: {error}"),
        }
        thread::sleep(RETRY);
    }
}

/// Serves every connection in a thread of its own, in which `connect` opens the other side.
fn accept<C>(listener: &TcpListener, connect: C)
where
    C: Fn() -> io::Result<TcpStream> + Clone + Send + 'static,
{
    for client in listener.incoming().flatten() {
        let connect = connect.clone();
        thread::spawn(move || {
            if let Err(error) = connect().and_then(|other| relay(client, other)) {
                log::debug!("ignoring: a forwarded connection broke: {error}");
            }
        });
    }
}

fn relay(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upstream = thread::spawn(move || pump(&mut from_client, &mut to_server));
    let (mut from_server, mut to_client) = (server, client);
    let down = pump(&mut from_server, &mut to_client);
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
