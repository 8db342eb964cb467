//! The names that containers know each other by: files for aardvark-dns 1.14 (its `config.md`). Pure.

use super::super::desired::DesiredContainer;
use super::lease::{Addresses, Joined};
use orlop_config::{Digest, Name, Net};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Ends the file of a network whose containers get no answers about the outside.
const INTERNAL_SUFFIX: &str = "%int";

/// The files, by name. Each network with names has one, which lists every container in it whether it
/// runs or not: its address is its own in any case.
pub(super) fn name_files<'a>(
    nets: &BTreeSet<Name>,
    containers: impl Iterator<Item = (&'a DesiredContainer, &'a Addresses)>,
) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (container, addresses) in containers {
        for joined in &addresses.0 {
            if joined.net.dns && nets.contains(&joined.name) {
                let text = files
                    .entry(file_name(&joined.name, &joined.net))
                    .or_insert_with(|| head(&joined.net));
                push(text, container, joined);
            }
        }
    }
    files
}

fn file_name(name: &Name, net: &Net) -> String {
    let suffix = if net.internal { INTERNAL_SUFFIX } else { "" };
    format!("{name}{suffix}")
}

/// Where the server listens for the network.
fn head(net: &Net) -> String {
    let gateways = net.subnets().into_iter().map(|(_, gateway)| gateway);
    format!("{}\n", list(gateways))
}

/// One container: id, IPv4 and IPv6 addresses, names, and who is asked for it about the outside where that is
/// not the host's own name server.
fn push(text: &mut String, container: &DesiredContainer, joined: &Joined) {
    let id = Digest::of(container.name.as_str().as_bytes());
    let of = |v4: bool| {
        let places = joined.at.iter().map(|place| place.address);
        list(places.filter(move |address| address.is_ipv4() == v4))
    };
    let mut names = vec![container.name.as_str()];
    names.extend(joined.aliases.iter().map(String::as_str));
    let (v4, v6, names) = (of(true), of(false), names.join(","));
    let own = match container.config.lookup.dns.as_slice() {
        [] => String::new(),
        servers => format!(" {}", list(servers.iter().copied())),
    };
    writeln!(text, "{} {v4} {v6} {names}{own}", id.hex()).expect("a String takes every write");
}

fn list(addresses: impl Iterator<Item = IpAddr>) -> String {
    let texts: Vec<_> = addresses.map(|address| address.to_string()).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{desired_web, name};
    use super::super::lease::Place;
    use super::*;

    fn joined(net: &str, internal: bool, addresses: &[(&str, &str)]) -> Joined {
        let mut settings = Net::bridge(addresses[0].0.parse().unwrap());
        settings.internal = internal;
        if let Some((subnet6, _)) = addresses.get(1) {
            settings.subnet6 = Some(subnet6.parse().unwrap());
        }
        let at = settings.subnets().into_iter().zip(addresses);
        let at = at.map(|((subnet, gateway), (_, address))| Place {
            subnet,
            gateway,
            address: address.parse().unwrap(),
        });
        Joined {
            name: name(net),
            at: at.collect(),
            net: settings,
            mac: None,
            aliases: vec!["db".into()],
        }
    }

    #[test]
    fn each_network_has_a_file_with_its_own_names_only() {
        let front = [("10.88.1.0/24", "10.88.1.2"), ("fd00:1::/64", "fd00:1::2")];
        let web = Addresses(vec![
            joined("front", false, &front),
            joined("back", true, &[("10.88.2.0/24", "10.88.2.2")]),
            joined("gone", false, &[("10.88.3.0/24", "10.88.3.2")]),
        ]);
        let nets = ["front", "back"].map(name).into();
        let mut container = desired_web().containers.remove(0);
        let of = |container: &DesiredContainer| name_files(&nets, [(container, &web)].into_iter());
        let files = of(&container);
        let id = Digest::of(b"web");
        let expected = [
            (
                "back%int",
                format!("10.88.2.1\n{} 10.88.2.2  web,db\n", id.hex()),
            ),
            (
                "front",
                format!(
                    "10.88.1.1,fd00:1::1\n{} 10.88.1.2 fd00:1::2 web,db\n",
                    id.hex()
                ),
            ),
        ];
        let expected = expected.map(|(file, text)| (file.to_owned(), text));
        assert_eq!(files, BTreeMap::from(expected));
        container.config.lookup.dns = vec![[9, 9, 9, 9].into(), [1, 1, 1, 1].into()];
        let files = of(&container);
        assert!(
            files["front"].ends_with(" web,db 9.9.9.9,1.1.1.1\n"),
            "{files:?}"
        );
    }
}
