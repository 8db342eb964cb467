//! The files of a container's `/etc` that say who and where it is. Pure.

use super::net::Addresses;
use std::fmt::Write as _;

/// `/etc/hosts`: itself. Others' names come from the networks' name servers.
pub(super) fn hosts(name: &str, addresses: &Addresses) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for address in addresses.all() {
        writeln!(text, "{address} {name}").expect("a String takes every write");
    }
    text
}

/// `/etc/resolv.conf`: the name servers of its networks, which know the other containers and pass
/// on what they do not know.
pub(super) fn resolv_conf(addresses: &Addresses) -> String {
    addresses
        .name_servers()
        .fold(String::new(), |mut text, server| {
            writeln!(text, "nameserver {server}").expect("a String takes every write");
            text
        })
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
        assert!(hosts(web, &addresses).ends_with("\n10.88.1.2 web\nfd00:1::2 web\n"));
        assert_eq!(
            resolv_conf(&addresses),
            "nameserver 10.88.1.1\nnameserver fd00:1::1\n"
        );
        assert_eq!(hostname(web), "web\n");
    }
}
