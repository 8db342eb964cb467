//! Addresses, ports, URLs and subnets.

use super::Problem;
use super::host::is_dns_label;
use crate::limits::MAX_HOST_NAME;
use crate::model::Mirror;
use ipnet::{IpNet, Ipv6Net};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const MIN_PREFIX_V4: u8 = 8;
const MAX_PREFIX_V4: u8 = 29;
const PREFIX_V6: u8 = 64;

/// A port number other than 0.
pub(crate) fn port_number(text: &str) -> Result<u16, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(0) => Err(Problem::new("port 0 cannot be used").help("write a port from 1 to 65535")),
        Ok(port) if digits => Ok(port),
        _ => {
            Err(Problem::new(format!("`{text}` is not a port"))
                .help("write a port from 1 to 65535"))
        }
    }
}

pub(super) fn is_host(text: &str) -> bool {
    if let Some(v6) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return v6.parse::<Ipv6Addr>().is_ok();
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric {
        text.parse::<std::net::Ipv4Addr>().is_ok()
    } else {
        text.split('.').all(is_dns_label)
    }
}

/// Splits `host:port`; the colons of a bracketed IPv6 address are not the one that counts.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    (!port.contains(']')).then_some((host, port))
}

/// `host:port` of a TCP check.
pub(crate) fn host_port(text: &str) -> Result<String, Problem> {
    let help = "write `host:port`, such as \"10.0.0.1:443\" or \"[fd00::1]:443\"";
    let (host, port) =
        split_port(text).ok_or_else(|| Problem::new(format!("`{text}` has no port")).help(help))?;
    port_number(port)?;
    if !is_host(host) {
        return Err(
            Problem::new(format!("`{host}` is neither a host name nor an address")).help(help),
        );
    }
    Ok(text.to_owned())
}

/// The URL of an HTTP check.
pub(crate) fn http_url(text: &str) -> Result<String, Problem> {
    let help = "write `http://host[:port]/path`, such as \"http://127.0.0.1:8080/healthz\"";
    if text.starts_with("https://") {
        return Err(
            Problem::new("a check over https is not supported by this version")
                .help("use an `http://` URL, or `tcp = \"host:port\"`"),
        );
    }
    let rest = text
        .strip_prefix("http://")
        .ok_or_else(|| Problem::new(format!("`{text}` is not an http URL")).help(help))?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let host = match split_port(authority) {
        Some((host, port)) => {
            port_number(port)?;
            host
        }
        None => authority,
    };
    if !is_host(host) {
        return Err(
            Problem::new(format!("`{host}` is neither a host name nor an address")).help(help),
        );
    }
    url_path(path)?;
    Ok(text.to_owned())
}

fn url_path(path: &str) -> Result<(), Problem> {
    if path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Ok(());
    }
    Err(Problem::new(format!("`{path}` is not the path of a URL"))
        .help("percent-encode blanks and what is not ASCII, and leave out `#…`"))
}

/// `:port/path` of a container's own HTTP probe.
pub(crate) fn own_port_path(text: &str) -> Result<(u16, String), Problem> {
    let rest = text.strip_prefix(':').ok_or_else(|| {
        Problem::new(format!("`{text}` does not begin with `:` and a port"))
            .help("a probe asks the container itself: write `:port/path`, such as \":80/healthz\"")
    })?;
    let (port, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    url_path(path)?;
    Ok((port_number(port)?, path.to_owned()))
}

/// The address that the API listens on.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, Problem> {
    let address: SocketAddr = text.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not an address and a port"))
            .help("write `address:port`, such as \"0.0.0.0:6443\" or \"[::]:6443\"")
    })?;
    port_number(&address.port().to_string())?;
    Ok(address)
}

/// A registry's `host[:port]`.
pub(crate) fn registry_host(text: &str) -> Result<String, Problem> {
    let help =
        "write `host` or `host:port`, such as \"docker.io\" or \"registry.example.com:5000\"";
    let host = match split_port(text) {
        Some((host, port)) if !text.contains("//") => {
            port_number(port)?;
            host
        }
        _ => text,
    };
    if is_host(host) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not the name of a registry")).help(help))
}

/// The URL of a mirror.
pub(crate) fn mirror(text: &str) -> Result<Mirror, Problem> {
    let bad = || {
        Problem::new(format!("`{text}` is not the URL of a registry")).help(
            "write `https://` and a host, with a port and a path if need be, such as \
             \"https://mirror.example.com/hub\"",
        )
    };
    let (plain_http, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err(bad()),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = path.strip_suffix('/').unwrap_or(path);
    let is_part = |part: &str| {
        let is_inner = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_inner)
    };
    if !(prefix.is_empty() || prefix.split('/').all(is_part)) {
        return Err(bad());
    }
    Ok(Mirror {
        host: registry_host(host).map_err(|_| bad())?,
        prefix: prefix.to_owned(),
        plain_http,
    })
}

/// A user of a registry.
pub(crate) fn login_name(text: &str) -> Result<String, Problem> {
    if !text.is_empty()
        && text
            .chars()
            .all(|c| c != ':' && !c.is_whitespace() && !c.is_control())
    {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is not a user of a registry"))
            .help("write it without blanks and `:`"),
    )
}

/// The URL of a proxy.
pub(crate) fn proxy_url(text: &str) -> Result<String, Problem> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match host.map(registry_host) {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err(
            Problem::new(format!("`{text}` is not the URL of a proxy")).help(
                "write `http://`, its host and its port, such as \"http://proxy.example.com:3128\"",
            ),
        ),
    }
}

/// What is reached without a proxy.
pub(crate) fn not_proxied(text: &str) -> Result<String, Problem> {
    let is_address = text.parse::<IpNet>().is_ok() || text.parse::<std::net::IpAddr>().is_ok();
    if is_address || is_host(text.strip_prefix('.').unwrap_or(text)) {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is neither a host nor a subnet")).help(
            "write a host, a domain, an address or a subnet: \"example.com\", \"10.0.0.0/8\"",
        ),
    )
}

/// The subnet of a container network.
pub(crate) fn subnet(text: &str) -> Result<IpNet, Problem> {
    let net: IpNet = text.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not a subnet"))
            .help("write an address and a prefix length, such as \"10.88.1.0/24\"")
    })?;
    if net.addr() != net.network() {
        return Err(
            Problem::new(format!("`{text}` has bits set behind its prefix"))
                .help(format!("write \"{}\"", net.trunc())),
        );
    }
    let prefix = net.prefix_len();
    let range = match net {
        IpNet::V4(_) => (MIN_PREFIX_V4..=MAX_PREFIX_V4).contains(&prefix),
        IpNet::V6(_) => prefix == PREFIX_V6,
    };
    if !range {
        return Err(Problem::new(format!("a container network cannot be a /{prefix}")).help(format!(
            "write a prefix from /{MIN_PREFIX_V4} to /{MAX_PREFIX_V4} for IPv4, /{PREFIX_V6} for IPv6"
        )));
    }
    if !is_for_hosts(net) {
        return Err(
            Problem::new(format!("`{text}` is not a range that hosts can have"))
                .help("take a private range, such as one of 10.0.0.0/8"),
        );
    }
    Ok(net)
}

fn is_for_hosts(net: IpNet) -> bool {
    match net.addr() {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            first != 0 && first != 127 && first < 224 && !v4.is_link_local()
        }
        IpAddr::V6(v6) => {
            !v6.is_loopback()
                && !v6.is_unspecified()
                && !v6.is_multicast()
                && !v6.is_unicast_link_local()
        }
    }
}

/// The IPv6 subnet beside an IPv4 one.
pub(crate) fn subnet6(text: &str) -> Result<Ipv6Net, Problem> {
    match subnet(text)? {
        IpNet::V6(net) => Ok(net),
        IpNet::V4(_) => Err(Problem::new(format!("`{text}` is not an IPv6 subnet"))
            .help("write one such as \"fd00:88:1::/64\"")),
    }
}

/// An IPv6 address.
pub(crate) fn address6(text: &str) -> Result<Ipv6Addr, Problem> {
    text.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not an IPv6 address"))
            .help("write one such as \"fd00:88:1::10\"")
    })
}

/// A further name of a container: a host name in lower case, as the name server compares them.
pub(crate) fn alias(text: &str) -> Result<String, Problem> {
    let ok = text.len() <= MAX_HOST_NAME
        && text.split('.').all(is_dns_label)
        && !text.bytes().any(|b| b.is_ascii_uppercase());
    if ok {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` cannot be an alias"))
        .help("small letters, digits and `-`, in parts parted by `.`, such as \"db\""))
}
