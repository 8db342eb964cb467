//! A name server outside of a node, which knows one name.

use super::node::Node;
use orlop_machines::Lan;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

/// The only name that it knows, in wire form (RFC 1035, 3.1), and the address that it gives.
const NAME: &[u8] = b"\x07outside\x07example\0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const PORT: u16 = 53;
const HEADER: usize = 12;
/// Question type A.
const TYPE_A: [u8; 2] = [0, 1];
/// An answer to the question's own name: type A, class IN, for no time at all.
const ANSWER: [u8; 12] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4];
/// A response with recursion, without error; and one that the name is not known.
const FOUND: [u8; 2] = [0x81, 0x80];
const UNKNOWN: [u8; 2] = [0x81, 0x83];

/// What the name is resolved to, as the sample app says it.
pub(crate) const OUTSIDE: &str = "192.0.2.7\n";

/// Answers at the gateway of the network of the machines, for as long as the test runs.
pub(crate) fn serve(node: &Node<'_>) {
    let socket = node.inside_lan(|| UdpSocket::bind((Lan::gateway(), PORT)).unwrap());
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(response) = answer(&query[..length]) {
                socket.send_to(&response, from).unwrap();
            }
        }
    });
}

/// The response to a query of one question.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let question = query.get(HEADER..)?;
    let end = question.iter().position(|byte| *byte == 0)? + 1;
    let (name, kind) = (&question[..end], question.get(end..end + 2)?);
    let known = name.eq_ignore_ascii_case(NAME);
    let with_address = known && kind == TYPE_A;
    let mut response = query[..2].to_vec();
    response.extend(if known { FOUND } else { UNKNOWN });
    // One question, at most one answer, nothing else.
    response.extend([0, 1, 0, u8::from(with_address), 0, 0, 0, 0]);
    response.extend(&question[..end + 4]);
    if with_address {
        response.extend(ANSWER);
        response.extend(ADDRESS.octets());
    }
    Some(response)
}
