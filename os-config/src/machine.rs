//! The machine's own settings: `[generations]`, `[kernel]`, `[network]` and `[time]`.

use crate::limits::DEFAULT_KEEP_GENERATIONS;
use ipnet::IpNet;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `[kernel]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kernel {
    /// Modules to load, in the order of the file.
    pub modules: Vec<String>,
    /// Settings below `/proc/sys`, by name. No two names mean the same file.
    pub sysctl: BTreeMap<String, String>,
}

/// `[network]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Network {
    /// Name servers; they take the place of those that DHCP names.
    pub dns: Vec<IpAddr>,
    /// Interfaces, by name. An ethernet interface that is not among them asks DHCP.
    pub interface: BTreeMap<String, Interface>,
}

/// `[network.interface.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Interface {
    /// The hardware address that it is known by, in lower case with colons; none goes by the name.
    pub mac: Option<String>,
    /// Whether it asks DHCP for addresses.
    pub dhcp: bool,
    /// Its own addresses, each with the length of its network's prefix.
    pub addresses: Vec<IpNet>,
    /// The default route's next hop.
    pub gateway: Option<IpAddr>,
}

/// `[time]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Time {
    /// NTP servers, names or addresses; none at all leaves the OS image's.
    pub servers: Vec<String>,
}

/// `[generations]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Generations {
    /// How many stay on record, the pinned ones not counted. The one that runs, a staged one and the
    /// ones to go back to always do.
    pub keep: usize,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            keep: DEFAULT_KEEP_GENERATIONS,
        }
    }
}

/// The file below `/proc/sys` that a sysctl's name means: the first of `.` and `/` in it parts the
/// directories, and the other one then is a dot of a name (sysctl.d(5)).
pub fn sysctl_path(name: &str) -> String {
    match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'.') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_of_a_sysctls_name_decides() {
        for (name, path) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            (
                "net.ipv4.conf.eth0/100.forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
            (
                "net/ipv4/conf/eth0.100/forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
        ] {
            assert_eq!(sysctl_path(name), path);
        }
    }
}
