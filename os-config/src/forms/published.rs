//! Published ports and mounted volumes: `"8080:80/tcp"`, `"data:/var/lib/data:ro"`.

use super::Problem;
use super::firewall::port_range;
use crate::limits::MAX_PUBLISHED;
use crate::model::{Name, Port, Protocol, VolumeMount};
use std::fmt;
use std::net::IpAddr;

const PORT_HELP: &str = "write `[address:]host:container[/tcp|udp]`, such as \"8080:80\", \"127.0.0.1:5353:53/udp\" or \
                         \"8000-8009:80-89\"";
const VOLUME_HELP: &str = "write `volume:/path[:ro]`, such as \"data:/var/lib/app\"";

/// A published port.
pub(crate) fn port(text: &str) -> Result<Port, Problem> {
    let (ports, protocol) = match text.rsplit_once('/') {
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some((_, other)) => {
            return Err(Problem::new(format!("`{other}` is not a protocol"))
                .help("write `/tcp` or `/udp`; tcp is the default"));
        }
        None => (text, Protocol::Tcp),
    };
    let fail = || Problem::new(format!("`{text}` does not say which ports")).help(PORT_HELP);
    let (front, container) = ports.rsplit_once(':').ok_or_else(fail)?;
    let (address, host) = match front.rsplit_once(':') {
        Some((address, host)) if !host.contains(']') => (Some(address), host),
        Some(_) => return Err(fail()),
        None => (None, front),
    };
    let (host, last) = port_range(host)?;
    let (container, last_inside) = port_range(container)?;
    if last - host != last_inside - container {
        let problem = Problem::new(format!("the two ranges of `{text}` differ in length"));
        return Err(problem.help("write as many ports of the host as of the container"));
    }
    if usize::from(last - host) >= MAX_PUBLISHED {
        let problem = Problem::new(format!("`{text}` is more than {MAX_PUBLISHED} ports"));
        return Err(problem.help("publish fewer"));
    }
    Ok(Port {
        host_ip: address.map(host_address).transpose()?,
        host,
        container,
        protocol,
        count: last - host + 1,
    })
}

fn host_address(text: &str) -> Result<IpAddr, Problem> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse().map(IpAddr::V6).ok(),
        None => text.parse().map(IpAddr::V4).ok(),
    };
    address.ok_or_else(|| Problem::new(format!("`{text}` is not an address")).help(PORT_HELP))
}

/// A mounted volume. Whether the volume is declared is not looked at here.
pub(crate) fn volume_mount(text: &str) -> Result<VolumeMount, Problem> {
    let fail = |why: String| Problem::new(why).help(VOLUME_HELP);
    let (name, rest) = text
        .split_once(':')
        .ok_or_else(|| fail(format!("`{text}` has no path to mount on")))?;
    if name.starts_with('/') || name.starts_with('.') {
        return Err(Problem::new("a path of the host is not a volume").help(
            "write it in `binds`, or declare a volume as `[volume.NAME]` and write `NAME:/path`",
        ));
    }
    let volume =
        Name::new(name).ok_or_else(|| fail(format!("`{name}` is not the name of a volume")))?;
    let (path, read_only) = match rest.rsplit_once(':') {
        Some((path, "ro")) => (path, true),
        Some((_, other)) => return Err(fail(format!("`:{other}` is not known here"))),
        None => (rest, false),
    };
    if !is_mount_path(path) {
        return Err(fail(format!(
            "`{path}` is not a path that a volume can be mounted on"
        )));
    }
    Ok(VolumeMount {
        volume,
        path: path.to_owned(),
        read_only,
    })
}

/// An absolute path below `/`, without `.`, `..`, empty parts or control characters.
pub(super) fn is_mount_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
            && !rest.chars().any(char::is_control)
    })
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for Port {
    /// As the TOML writes it, the protocol always named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            None => {}
        }
        let (host, container) = (self.host, self.container);
        match self.count {
            1 => write!(f, "{host}:{container}/{}", self.protocol),
            _ => write!(
                f,
                "{host}-{}:{container}-{}/{}",
                self.last_host(),
                self.last_container(),
                self.protocol
            ),
        }
    }
}

impl fmt::Display for VolumeMount {
    /// As the TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.read_only { ":ro" } else { "" };
        write!(f, "{}:{}{mode}", self.volume, self.path)
    }
}
