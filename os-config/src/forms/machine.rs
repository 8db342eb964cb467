//! Kernel settings and modules, interfaces and their addresses, name and time servers.

use super::Problem;
use super::network::is_host;
use crate::limits::MAX_INTERFACE;
use ipnet::IpNet;
use std::net::IpAddr;

/// The longest name of a module (Linux, `MODULE_NAME_LEN` less its terminator).
const MAX_MODULE: usize = 55;
/// The longest value that one write to `/proc/sys` takes (Linux, a page).
const MAX_SYSCTL_VALUE: usize = 4095;

/// Bytes of an ethernet address.
const MAC_BYTES: usize = 6;

/// The directories of `/proc/sys` (Linux, Documentation/admin-guide/sysctl/).
const SYSCTL_ROOTS: [&str; 7] = ["abi", "debug", "dev", "fs", "kernel", "net", "vm"];

/// Settings that are Orlop's own, and why.
const OWN_SYSCTLS: [(&str, &str); 5] = [
    (
        "kernel/panic",
        "a kernel that panics has to restart, or the node cannot go back by itself",
    ),
    (
        "kernel/panic_on_oops",
        "a kernel that has gone wrong has to restart, or the node cannot go back by itself",
    ),
    (
        "kernel/modules_disabled",
        "the node loads modules when it starts containers",
    ),
    ("kernel/hostname", "write it as `host.name`"),
    ("kernel/domainname", "write it as part of `host.name`"),
];

/// The name of a sysctl.
pub(crate) fn sysctl_name(text: &str) -> Result<String, Problem> {
    let help = "write its place below /proc/sys with dots, such as \"net.ipv4.ip_forward\"";
    let path = crate::sysctl_path(text);
    let mut parts = path.split('/');
    let root = parts.next().unwrap_or_default();
    let part_ok = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.:@".contains(&b))
    };
    let mut rest = parts.peekable();
    if !SYSCTL_ROOTS.contains(&root) || rest.peek().is_none() || !rest.all(part_ok) {
        return Err(Problem::new(format!("`{text}` is not a sysctl")).help(help));
    }
    match OWN_SYSCTLS.iter().find(|(own, _)| *own == path) {
        Some((_, why)) => {
            Err(Problem::new(format!("the sysctl `{text}` is Orlop's own")).help(*why))
        }
        None => Ok(text.to_owned()),
    }
}

/// The value of a sysctl.
pub(crate) fn sysctl_value(text: &str) -> Result<String, Problem> {
    if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
        return Err(Problem::new(
            "a sysctl's value is one line, without blanks around it",
        ));
    }
    if text.len() > MAX_SYSCTL_VALUE {
        return Err(Problem::new(format!(
            "the sysctl's value is {} bytes long; Linux takes at most {MAX_SYSCTL_VALUE}",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

/// The name of a kernel module.
pub(crate) fn module(text: &str) -> Result<String, Problem> {
    let ok = (1..=MAX_MODULE).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if ok {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is not the name of a kernel module"))
            .help("write its name alone, such as \"br_netfilter\""),
    )
}

/// The name of a network interface.
pub(crate) fn interface(text: &str) -> Result<String, Problem> {
    let ok = (1..=MAX_INTERFACE).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        && !matches!(text, "." | ".." | "lo");
    if ok {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` cannot be the name of an interface here")).help(format!(
            "1 to {MAX_INTERFACE} letters, digits, `_`, `.` and `-`, such as \"eth0\"; not `lo`"
        )),
    )
}

/// A hardware address, in lower case with colons.
pub(crate) fn mac(text: &str) -> Result<String, Problem> {
    let bytes: Vec<_> = text.split([':', '-']).collect();
    let byte_ok = |byte: &&str| byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_hexdigit());
    if bytes.len() == MAC_BYTES && bytes.iter().all(byte_ok) {
        return Ok(bytes.join(":").to_ascii_lowercase());
    }
    Err(
        Problem::new(format!("`{text}` is not a hardware address")).help(
            "write six bytes in hexadecimal, such as \"52:54:00:12:34:56\"; `networkctl` shows them",
        ),
    )
}

/// The hardware address of a single interface, in lower case with colons.
pub(crate) fn unicast_mac(text: &str) -> Result<String, Problem> {
    let mac = mac(text)?;
    // The lowest bit of the first byte: the address is that of a group (IEEE 802, 8.2.2).
    let of_group = mac
        .as_bytes()
        .get(1)
        .is_some_and(|digit| b"13579bdf".contains(digit));
    if of_group || mac.bytes().all(|byte| matches!(byte, b'0' | b':')) {
        let problem = Problem::new(format!("`{text}` is not an address of one interface"));
        return Err(problem.help("write one that begins with 02, such as \"02:42:ac:11:00:02\""));
    }
    Ok(mac)
}

/// An interface's own address with the prefix of its network.
pub(crate) fn interface_address(text: &str) -> Result<IpNet, Problem> {
    let help = "write an address and the length of its network's prefix, such as \"10.0.0.17/24\"";
    let net: IpNet = text.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not an address with a prefix")).help(help)
    })?;
    if !is_for_one_host(net.addr()) {
        return Err(
            Problem::new(format!("`{text}` is not an address that a host can have")).help(help),
        );
    }
    let whole = net.prefix_len() + 1 >= net.max_prefix_len();
    if !whole && net.addr() == net.network() && net.prefix_len() > 0 {
        return Err(Problem::new(format!(
            "`{text}` is the network itself, not the address of a host in it"
        ))
        .help(help));
    }
    Ok(net)
}

/// The address of another host: a gateway, a name server.
pub(crate) fn address(text: &str) -> Result<IpAddr, Problem> {
    let address: IpAddr = text.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not an IP address"))
            .help("write an address without prefix and port, such as \"10.0.0.1\" or \"fd00::1\"")
    })?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(Problem::new(format!(
            "`{text}` is not an address that a host can have"
        )));
    }
    Ok(address)
}

/// A time server's name or address.
pub(crate) fn time_server(text: &str) -> Result<String, Problem> {
    if text.parse::<IpAddr>().is_ok() || (!text.starts_with('[') && is_host(text)) {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is neither a host name nor an address"))
            .help("write a name or an address without port, such as \"ntp.example.com\""),
    )
}

fn is_for_one_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast)
}
