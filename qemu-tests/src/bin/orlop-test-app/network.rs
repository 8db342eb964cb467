//! What the app knows of the networks that it is in, and its answers to datagrams.

use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// An address that nothing answers from in this time is out of reach.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The longest datagram that is read.
const DATAGRAM_BYTES: usize = 512;

/// Opens a connection to `HOST:PORT`, by an address or a name.
pub(crate) fn connect(to: &str) -> io::Result<()> {
    let mut last = io::Error::other("a name without addresses");
    for address in to.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a name, one a line, sorted.
pub(crate) fn resolve(name: &str) -> io::Result<String> {
    let found = (name, 0).to_socket_addrs()?;
    let mut addresses: Vec<IpAddr> = found.map(|to| to.ip()).collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses.iter().map(|one| format!("{one}\n")).collect())
}

/// Answers each datagram, without end.
pub(crate) fn answer_datagrams(socket: &UdpSocket, answer: &str) {
    let mut datagram = [0; DATAGRAM_BYTES];
    loop {
        let answered = socket
            .recv_from(&mut datagram)
            .and_then(|(_, from)| socket.send_to(answer.as_bytes(), from));
        if let Err(error) = answered {
            println!("cannot answer a datagram: {error}");
        }
    }
}
