//! systemd-networkd's and systemd-resolved's files (systemd.network(5), resolved.conf(5)).

use crate::machine::{Interface, Network};
use std::fmt::Write as _;

/// Directory of networkd's files.
pub(super) const DIR: &str = "/etc/systemd/network/";
/// Begins the file name of an interface that the TOML names. They sort before [`ETHERNET_FILE`], and
/// networkd takes the first file that matches.
pub(super) const INTERFACE_PREFIX: &str = "40-orlop-";
/// The file for all other ethernet interfaces.
pub(super) const ETHERNET_FILE: &str = "50-orlop-ethernet.network";

/// DHCP on every ethernet interface, by the names that udev and the kernel give them. Containers'
/// interfaces have other names, so networkd leaves those alone.
const ETHERNET: &str = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n";

/// A live swap stops networkd and starts the new one while connections stay open: addresses and
/// routes are kept meanwhile, and no lease is given back. The host name is the TOML's alone.
const KEEP: &str = "\
KeepConfiguration=dynamic-on-stop

[DHCPv4]
UseHostname=no
SendRelease=no

[DHCPv6]
UseHostname=no
SendRelease=no
";

/// Name and content of networkd's files, sorted.
pub(super) fn networks(network: &Network) -> Vec<(String, String)> {
    let mut files: Vec<_> = network
        .interface
        .iter()
        .map(|(name, interface)| {
            let file = format!("{INTERFACE_PREFIX}{name}.network");
            (file, interface_file(name, interface))
        })
        .collect();
    files.push((ETHERNET_FILE.to_owned(), format!("{ETHERNET}{KEEP}")));
    files
}

fn interface_file(name: &str, interface: &Interface) -> String {
    let mut out = match &interface.mac {
        // A VLAN or bridge on top of the interface has the same address.
        Some(mac) => format!("[Match]\nMACAddress={mac}\nType=ether\nKind=!vlan bridge macvlan\n"),
        None => format!("[Match]\nName={name}\n"),
    };
    out.push_str("\n[Network]\n");
    let dhcp = if interface.dhcp { "yes" } else { "no" };
    line(&mut out, "DHCP", dhcp);
    if !interface.dhcp && interface.addresses.is_empty() {
        out.push_str("LinkLocalAddressing=no\nIPv6AcceptRA=no\n");
    }
    for address in &interface.addresses {
        line(&mut out, "Address", address);
    }
    if let Some(gateway) = interface.gateway {
        line(&mut out, "Gateway", gateway);
    }
    out.push_str(KEEP);
    out
}

/// In front of resolved's file. Containers ask it for names without a dot that none of them has, such as
/// that of one that is away. By LLMNR (RFC 4795) anybody on the wire could answer in its place, and where
/// nobody does the question would take four seconds.
const RESOLVE: &str = "[Resolve]\nLLMNR=no\n";

/// resolved's file. With the routing domain `~.` its servers are asked for every name, in the place
/// of those that an interface got by DHCP.
pub(super) fn resolved(network: &Network) -> String {
    let mut out = RESOLVE.to_owned();
    for server in &network.dns {
        line(&mut out, "DNS", server);
    }
    if !network.dns.is_empty() {
        out.push_str("Domains=~.\n");
    }
    out
}

fn line(out: &mut String, key: &str, value: impl std::fmt::Display) {
    let _infallible = writeln!(out, "{key}={value}");
}
