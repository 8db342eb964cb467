//! The rules of the containers' networks, for nft(8): published ports, translation to the outside,
//! and who may not reach whom. Pure.

use super::lease::{Addresses, Joined};
use super::netavark::bridge_name;
use ipnet::IpNet;
use orlop_config::{BRIDGE_PREFIX, Name, Net, NetDriver, Port, replaced_table};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The table. Nothing else is in it.
pub(super) const TABLE: &str = "orlop-containers";

/// A container is told at once that it may not; a stranger outside is told nothing.
const REFUSED: &str = "\
\tchain refused {
\t\tiifname != \"ol-*\" drop
\t\tmeta l4proto tcp reject with tcp reset
\t\treject with icmpx type admin-prohibited
\t}
";

/// A container's published ports and where it is.
pub(super) struct Publisher<'a> {
    pub(super) name: &'a Name,
    pub(super) ports: &'a [Port],
    pub(super) addresses: &'a Addresses,
}

/// The whole table, in the place of the one that is there: what is lost of it, or was changed by
/// others, is as it shall be again, and connections that are open go on.
pub(super) fn rules(publishers: &[Publisher<'_>]) -> String {
    let bridges = bridges(publishers);
    let mut out = replaced_table(TABLE);
    if bridges.is_empty() {
        return out;
    }
    let _infallible = write!(
        out,
        "table inet {TABLE} {{\n{}{REFUSED}{}{}{}}}\n",
        guard_chain(),
        published_chains(publishers),
        outside_chain(&bridges),
        forward_chain(&bridges),
    );
    out
}

/// The bridges that containers are on, each with its network.
fn bridges(publishers: &[Publisher<'_>]) -> BTreeMap<String, Net> {
    let joined = publishers.iter().flat_map(|one| &one.addresses.0);
    joined
        .filter(|joined| joined.net.driver == NetDriver::Bridge)
        .map(|joined| (bridge_name(&joined.name), joined.net.clone()))
        .collect()
}

/// Published ports are reached through 127.0.0.1 too, for which the kernel is told to route such
/// addresses on bridges (`route_localnet`). So a container could talk to servers that listen on the
/// host's 127.0.0.1 alone, if its packets were not dropped first.
fn guard_chain() -> String {
    format!(
        "\tchain guard {{\n\t\ttype filter hook prerouting priority raw; policy accept;\n\
         \t\tiifname \"{BRIDGE_PREFIX}*\" ip daddr 127.0.0.0/8 drop\n\t}}\n"
    )
}

fn published_chains(publishers: &[Publisher<'_>]) -> String {
    let mut out = String::new();
    for (chain, hook) in [("arriving", "prerouting"), ("leaving", "output")] {
        let _infallible = write!(
            out,
            "\tchain {chain} {{\n\t\ttype nat hook {hook} priority -100; policy accept;\n\
             \t\tfib daddr type local jump published\n\t}}\n"
        );
    }
    out.push_str("\tchain published {\n");
    for publisher in publishers {
        for port in publisher.ports {
            for to in destinations(publisher.addresses) {
                if let Some(rule) = forward_rule(port, to) {
                    let _infallible = writeln!(out, "\t\t{rule} comment \"{}\"", publisher.name);
                }
            }
        }
    }
    out.push_str("\t}\n");
    out
}

/// Where published ports lead to: the container's addresses in its first network that the outside
/// reaches.
fn destinations(addresses: &Addresses) -> impl Iterator<Item = IpAddr> {
    let first = addresses.0.iter().find(|joined| takes_ports(joined));
    first
        .into_iter()
        .flat_map(|joined| joined.at.iter().map(|place| place.address))
}

fn takes_ports(joined: &Joined) -> bool {
    joined.net.driver == NetDriver::Bridge && !joined.net.internal
}

/// None where the port is published on an address of the other family.
fn forward_rule(port: &Port, to: IpAddr) -> Option<String> {
    let (family, own) = match to {
        IpAddr::V4(_) => ("ipv4", "ip"),
        IpAddr::V6(_) => ("ipv6", "ip6"),
    };
    let on = match port.host_ip {
        // The unspecified address of a family is every address of it.
        Some(on) if on.is_ipv4() != to.is_ipv4() => return None,
        Some(on) if !on.is_unspecified() => format!("{own} daddr {on} "),
        _ => String::new(),
    };
    let protocol = port.protocol;
    let ports = range(port.host, port.last_host());
    let target = match to {
        IpAddr::V4(to) => to.to_string(),
        IpAddr::V6(to) => format!("[{to}]"),
    };
    let target = if port.host == port.container {
        // The port stays as it is, in a range too.
        to.to_string()
    } else if port.count == 1 {
        format!("{target}:{}", port.container)
    } else {
        let pairs = (0..port.count).map(|n| format!("{} : {}", port.host + n, port.container + n));
        let pairs: Vec<_> = pairs.collect();
        format!("{target} : {protocol} dport map {{ {} }}", pairs.join(", "))
    };
    Some(format!(
        "meta nfproto {family} {on}{protocol} dport {ports} dnat {own} to {target}"
    ))
}

fn range(first: u16, last: u16) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// Whose address is replaced by the host's on the way.
fn outside_chain(bridges: &BTreeMap<String, Net>) -> String {
    let mut out =
        "\tchain outside {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\
                   \t\tip saddr 127.0.0.0/8 oifname \"ol-*\" masquerade\n"
            .to_owned();
    for (bridge, net) in bridges {
        for (subnet, _) in net.subnets() {
            let (own, others) = match subnet {
                IpNet::V4(_) => ("ip", "224.0.0.0/4"),
                IpNet::V6(_) => ("ip6", "ff00::/8"),
            };
            // A container that reaches a neighbour by the host's published port: its answer has to
            // come back by the host as well.
            let _infallible = writeln!(
                out,
                "\t\t{own} saddr {subnet} {own} daddr {subnet} ct status dnat masquerade"
            );
            if !net.internal {
                let _infallible = writeln!(
                    out,
                    "\t\t{own} saddr {subnet} oifname != \"{bridge}\" {own} daddr != {{ {subnet}, {others} }} masquerade"
                );
            }
        }
    }
    out.push_str("\t}\n");
    out
}

/// Who reaches whom: neighbours each other, everybody published ports, containers the outside but
/// for those of internal networks; nobody else a container.
fn forward_chain(bridges: &BTreeMap<String, Net>) -> String {
    let mut out =
        "\tchain between {\n\t\ttype filter hook forward priority filter; policy accept;\n\
                   \t\tct state established,related accept\n\t\tct state invalid drop\n"
            .to_owned();
    for bridge in bridges.keys() {
        let _infallible = writeln!(out, "\t\tiifname \"{bridge}\" oifname \"{bridge}\" accept");
    }
    for (bridge, _) in bridges.iter().filter(|(_, net)| net.internal) {
        let _infallible = writeln!(out, "\t\tiifname \"{bridge}\" jump refused");
        let _infallible = writeln!(out, "\t\toifname \"{bridge}\" jump refused");
    }
    let _infallible = write!(
        out,
        "\t\tct status dnat accept\n\t\toifname \"{BRIDGE_PREFIX}*\" jump refused\n\t}}\n"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{desired_web, name};
    use super::super::super::instance::Instance;
    use super::super::lease::Leases;
    use super::*;
    use orlop_config::{Attachment, Protocol};

    fn port(on: Option<&str>, host: u16, container: u16, count: u16) -> Port {
        Port {
            host_ip: on.map(|on| on.parse().unwrap()),
            host,
            container,
            protocol: Protocol::Tcp,
            count,
        }
    }

    #[test]
    fn the_rules_are_as_recorded() {
        let mut desired = desired_web();
        let config = &mut desired.containers[0].config;
        config.networks = ["back", "front"]
            .map(|net| Attachment::plain(name(net)))
            .to_vec();
        config.ports = vec![
            port(None, 8080, 80, 1),
            port(Some("127.0.0.1"), 5353, 53, 1),
            port(Some("::"), 7000, 70, 1),
            port(None, 9000, 9000, 10),
            port(Some("0.0.0.0"), 8000, 80, 3),
        ];
        config.ports[1].protocol = Protocol::Udp;
        let mut front = Net::bridge("10.88.1.0/24".parse().unwrap());
        front.subnet6 = Some("fd00:88:1::/64".parse().unwrap());
        let mut back = Net::bridge("10.88.2.0/24".parse().unwrap());
        back.internal = true;
        let nets = BTreeMap::from([(name("front"), front), (name("back"), back)]);
        let assigned = Leases::default().assign(&desired.containers, &nets);
        let publisher = Publisher {
            name: &desired.containers[0].name,
            ports: &desired.containers[0].config.ports,
            addresses: assigned[&Instance::first(&name("web"))].as_ref().unwrap(),
        };
        insta::assert_snapshot!(rules(&[publisher]));
    }

    #[test]
    fn without_containers_nothing_is_left_of_the_table() {
        assert_eq!(
            rules(&[]),
            "table inet orlop-containers {}\ndelete table inet orlop-containers\n"
        );
    }
}
