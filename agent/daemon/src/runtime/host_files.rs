//! The files of a container's `/etc` that say who and where it is. Pure.

use super::net::Addresses;
use orlop_config::{HostAddress, Lookup};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// `/etc/hosts`: itself, and whom the config names. Other containers' names come from the networks' name servers.
pub(super) fn hosts(
    name: &str,
    addresses: &Addresses,
    more: &BTreeMap<String, HostAddress>,
) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for address in addresses.all() {
        writeln!(text, "{address} {name}").expect("a String takes every write");
    }
    for (name, address) in more {
        let address = match address {
            HostAddress::Address(address) => *address,
            // One without networks of its own is in the host's.
            HostAddress::HostGateway => addresses
                .first_gateway()
                .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        };
        writeln!(text, "{address} {name}").expect("a String takes every write");
    }
    text
}

/// `/etc/resolv.conf`: the name servers of its networks, which know the other containers and pass
/// on what they do not know to those of the config. Where no network has one, the config's own.
pub(super) fn resolv_conf(addresses: &Addresses, lookup: &Lookup) -> String {
    let mut servers: Vec<IpAddr> = addresses.name_servers().collect();
    if servers.is_empty() {
        servers.clone_from(&lookup.dns);
    }
    let mut text = String::new();
    for server in servers {
        writeln!(text, "nameserver {server}").expect("a String takes every write");
    }
    if !lookup.dns_search.is_empty() {
        let domains = lookup.dns_search.join(" ");
        writeln!(text, "search {domains}").expect("a String takes every write");
    }
    if !lookup.dns_options.is_empty() {
        let options = lookup.dns_options.join(" ");
        writeln!(text, "options {options}").expect("a String takes every write");
    }
    text
}

/// `/etc/hostname`.
pub(super) fn hostname(name: &str) -> String {
    format!("{name}\n")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{desired_web, name};
    use super::super::instance::Instance;
    use super::super::net::Leases;
    use super::*;
    use orlop_config::{Attachment, Net};
    use std::collections::BTreeMap;

    #[test]
    fn a_container_knows_itself_and_its_name_servers() {
        let mut net = Net::bridge("10.88.1.0/24".parse().unwrap());
        net.subnet6 = Some("fd00:1::/64".parse().unwrap());
        let mut desired = desired_web();
        desired.containers[0].config.networks = vec![Attachment::plain(name("front"))];
        let nets = BTreeMap::from([(name("front"), net)]);
        let mut assigned = Leases::default().assign(&desired.containers, &nets);
        let addresses = assigned
            .remove(&Instance::first(&name("web")))
            .unwrap()
            .unwrap();
        let web = "web";
        let none = BTreeMap::new();
        assert!(hosts(web, &addresses, &none).ends_with("\n10.88.1.2 web\nfd00:1::2 web\n"));
        let named = BTreeMap::from([
            (
                "cache".to_owned(),
                HostAddress::Address([10, 0, 0, 5].into()),
            ),
            ("node".to_owned(), HostAddress::HostGateway),
        ]);
        assert!(hosts(web, &addresses, &named).ends_with("\n10.0.0.5 cache\n10.88.1.1 node\n"));
        let mut lookup = Lookup {
            dns: vec![[9, 9, 9, 9].into()],
            ..Lookup::default()
        };
        assert_eq!(
            resolv_conf(&addresses, &lookup),
            "nameserver 10.88.1.1\nnameserver fd00:1::1\n"
        );
        lookup.dns_search = vec!["example.com".to_owned(), "corp".to_owned()];
        lookup.dns_options = vec!["ndots:2".to_owned(), "rotate".to_owned()];
        assert_eq!(
            resolv_conf(&Addresses::default(), &lookup),
            "nameserver 9.9.9.9\nsearch example.com corp\noptions ndots:2 rotate\n"
        );
        let alone = hosts(web, &Addresses::default(), &named);
        assert!(alone.ends_with("\n127.0.0.1 node\n"), "{alone}");
        assert_eq!(hostname(web), "web\n");
    }
}
