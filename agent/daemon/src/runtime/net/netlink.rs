//! What is asked of the kernel itself, by netlink(7): whether the rules have changed, to remove a link,
//! and to let a port of a bridge send back what came in by it.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel answers at once; this is so that nothing can hang.
const ANSWER_LIMIT_SECS: i64 = 2;
/// Both answers are far shorter.
const ANSWER_BYTES: usize = 4096;

/// Of `nlmsghdr` (linux/netlink.h): length, type, flags, sequence number, port.
const HEADER_BYTES: usize = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;

/// linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_NEWGEN: u16 = 15;
const NFT_MSG_GETGEN: u16 = 16;
const NFTA_GEN_ID: u16 = 1;
const NFGENMSG_BYTES: usize = 4;

/// linux/rtnetlink.h; `ifinfomsg` is family, padding, type, index, flags and a mask of flags.
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const IFLA_PROTINFO: u16 = 12;
const NLA_F_NESTED: u16 = 0x8000;
/// linux/if_link.h.
const IFLA_BRPORT_MODE: u16 = 4;
const IFINFOMSG_BYTES: usize = 16;
const IFINFOMSG_INDEX: usize = 4;

/// The number of the rules' generation: another one after each change by whomever.
pub(super) fn rules_generation() -> io::Result<u32> {
    let kind = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
    let answer = ask(
        SockProtocol::NetlinkNetFilter,
        kind,
        NLM_F_REQUEST,
        &[0; NFGENMSG_BYTES],
    )?;
    generation_in(&answer)
}

fn generation_in(answer: &[u8]) -> io::Result<u32> {
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "an answer that makes no sense");
    if kind_of(answer) != Some((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN) {
        return Err(error_in(answer).unwrap_or_else(odd));
    }
    let mut attributes = answer.get(HEADER_BYTES + NFGENMSG_BYTES..).unwrap_or(&[]);
    // Each: length with these four bytes, type, value; padded to four bytes.
    while let [l0, l1, k0, k1, rest @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        if u16::from_ne_bytes([*k0, *k1]) == NFTA_GEN_ID {
            let value = rest.first_chunk::<4>().ok_or_else(odd)?;
            return Ok(u32::from_be_bytes(*value));
        }
        attributes = attributes
            .get(length.max(4).next_multiple_of(4)..)
            .unwrap_or(&[]);
    }
    Err(odd())
}

/// Removes the link number `index`. Idempotent.
pub(super) fn delete_link(index: i32) -> io::Result<()> {
    match tell_link(RTM_DELLINK, 0, index, &[]) {
        Err(error) if error.raw_os_error() != Some(nix::libc::ENODEV) => Err(error),
        _ => Ok(()),
    }
}

/// Lets the link number `index`, a port of a bridge, send back what came in by it: a container that
/// reaches itself by a port that it publishes, where the kernel translates on bridges already
/// (`br_netfilter`). Idempotent.
pub(super) fn allow_hairpin(index: i32) -> io::Result<()> {
    // An attribute in an attribute; the inner one of one byte, padded to four.
    let mut attributes = Vec::new();
    attributes.extend(12u16.to_ne_bytes());
    attributes.extend((IFLA_PROTINFO | NLA_F_NESTED).to_ne_bytes());
    attributes.extend(5u16.to_ne_bytes());
    attributes.extend(IFLA_BRPORT_MODE.to_ne_bytes());
    attributes.extend([1, 0, 0, 0]);
    let family = nix::libc::AF_BRIDGE.to_ne_bytes()[0];
    tell_link(RTM_SETLINK, family, index, &attributes)
}

fn tell_link(kind: u16, family: u8, index: i32, attributes: &[u8]) -> io::Result<()> {
    let mut body = vec![0; IFINFOMSG_BYTES];
    body[0] = family;
    body[IFINFOMSG_INDEX..IFINFOMSG_INDEX + 4].copy_from_slice(&index.to_ne_bytes());
    body.extend(attributes);
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    let answer = ask(SockProtocol::NetlinkRoute, kind, flags, &body)?;
    error_in(&answer).map_or(Ok(()), Err)
}

/// Sends one message, and gives the answer with its header.
fn ask(protocol: SockProtocol, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let socket: OwnedFd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )?;
    setsockopt(
        &socket,
        sockopt::ReceiveTimeout,
        &TimeVal::seconds(ANSWER_LIMIT_SECS),
    )?;
    let length = u32::try_from(HEADER_BYTES + body.len()).map_err(io::Error::other)?;
    let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence number and port: one question a socket needs none.
    message.extend([0; 8]);
    message.extend(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = vec![0; ANSWER_BYTES];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

fn kind_of(answer: &[u8]) -> Option<u16> {
    let bytes = answer.get(4..6)?.first_chunk::<2>()?;
    Some(u16::from_ne_bytes(*bytes))
}

/// The error of an answer that is one; its number 0 is an acknowledgement.
fn error_in(answer: &[u8]) -> Option<io::Error> {
    if kind_of(answer)? != NLMSG_ERROR {
        return None;
    }
    let bytes = answer.get(HEADER_BYTES..)?.first_chunk::<4>()?;
    match i32::from_ne_bytes(*bytes) {
        0 => None,
        number => Some(io::Error::from_raw_os_error(number.saturating_neg())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        out[4..6].copy_from_slice(&kind.to_ne_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn a_generation_is_read_behind_other_attributes() {
        let kind = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN;
        let mut body = vec![0; NFGENMSG_BYTES];
        // An attribute of one byte and its padding, then the number.
        body.extend([5u16.to_ne_bytes(), 9u16.to_ne_bytes()].concat());
        body.extend([7, 0, 0, 0]);
        body.extend([8u16.to_ne_bytes(), NFTA_GEN_ID.to_ne_bytes()].concat());
        body.extend(77u32.to_be_bytes());
        assert_eq!(generation_in(&answer(kind, &body)).unwrap(), 77);
        for cut in 0..body.len() {
            assert!(generation_in(&answer(kind, &body[..cut])).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_its_number() {
        let body = (-nix::libc::EPERM).to_ne_bytes();
        let error = generation_in(&answer(NLMSG_ERROR, &body)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EPERM));
        assert!(error_in(&answer(NLMSG_ERROR, &[0; 4])).is_none());
    }
}
