//! Rules of the firewall: `"tcp/6443 from 10.0.0.0/8"`.

use super::Problem;
use super::network::port_number;
use crate::model::{Allow, Protocol, Traffic};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

const HELP: &str = "write `tcp/PORT`, `udp/FIRST-LAST` or `icmp`, and `from SUBNET` behind it where not \
                    everybody may, such as \"tcp/6443 from 10.0.0.0/8\"";

/// One rule.
pub(crate) fn allow(text: &str) -> Result<Allow, Problem> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (what, from) = match words[..] {
        [what] => (what, None),
        [what, "from", from] => (what, Some(source(from)?)),
        _ => {
            let problem = Problem::new(format!("`{text}` is not a rule of the firewall"));
            return Err(problem.help(HELP));
        }
    };
    Ok(Allow {
        what: traffic(what)?,
        from,
    })
}

fn traffic(text: &str) -> Result<Traffic, Problem> {
    let (protocol, ports) = match text.split_once('/') {
        Some(("tcp", ports)) => (Protocol::Tcp, ports),
        Some(("udp", ports)) => (Protocol::Udp, ports),
        None if text == "icmp" => return Ok(Traffic::Icmp),
        _ => {
            let problem = Problem::new(format!("`{text}` does not say what to let in"));
            return Err(problem.help(HELP));
        }
    };
    let (first, last) = port_range(ports)?;
    Ok(Traffic::Ports {
        protocol,
        first,
        last,
    })
}

/// `80` or `8000-8010`: the first and the last.
pub(super) fn port_range(text: &str) -> Result<(u16, u16), Problem> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port_number(first)?, port_number(last)?),
        None => {
            let port = port_number(text)?;
            (port, port)
        }
    };
    if first > last {
        return Err(
            Problem::new(format!("the range `{text}` ends before it begins"))
                .help(format!("write `{last}-{first}`")),
        );
    }
    Ok((first, last))
}

fn source(text: &str) -> Result<IpNet, Problem> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            Problem::new(format!("`{text}` is neither an address nor a subnet")).help(HELP)
        })?,
    };
    if net.addr() != net.network() {
        return Err(
            Problem::new(format!("`{text}` has bits set behind its prefix"))
                .help(format!("write \"{}\"", net.trunc())),
        );
    }
    Ok(net)
}

impl fmt::Display for Allow {
    /// As the TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Traffic::Icmp => f.write_str("icmp")?,
            Traffic::Ports {
                protocol,
                first,
                last,
            } if first == last => write!(f, "{protocol}/{first}")?,
            Traffic::Ports {
                protocol,
                first,
                last,
            } => write!(f, "{protocol}/{first}-{last}")?,
        }
        match self.from {
            Some(from) => write!(f, " from {from}"),
            None => Ok(()),
        }
    }
}
