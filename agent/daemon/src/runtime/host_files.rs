//! The files of a container's `/etc` that say who and where it is. Pure.

use super::lease::Addresses;
use orlop_config::Name;
use std::fmt::Write as _;

/// `/etc/hosts`: itself. Others' names come from the networks' name servers.
pub(super) fn hosts(name: &Name, addresses: &Addresses) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for (_, _, address) in &addresses.0 {
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
pub(super) fn hostname(name: &Name) -> String {
    format!("{name}\n")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn a_container_knows_itself_and_its_name_servers() {
        let addresses = Addresses(vec![(
            name("front"),
            "10.88.1.0/24".parse().unwrap(),
            "10.88.1.7".parse().unwrap(),
        )]);
        let web = name("web");
        assert!(hosts(&web, &addresses).ends_with("\n10.88.1.7 web\n"));
        assert_eq!(resolv_conf(&addresses), "nameserver 10.88.1.1\n");
        assert_eq!(hostname(&web), "web\n");
    }
}
