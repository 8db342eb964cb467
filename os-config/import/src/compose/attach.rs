//! The networks and ports of a service.

use super::service::Service;
use super::shape;
use crate::draft::{Item, Table};
use crate::note::Place;
use crate::yaml::Node;

/// Attachments are kept as tables until all are known: see [`finish`].
const NETWORKS: &str = "networks";

impl Service<'_, '_> {
    pub(super) fn attach(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "networks" => self.networks(value, place),
            "ports" => {
                for one in value.elements().unwrap_or_default() {
                    self.port(one, &place.at(one.line));
                }
            }
            // Containers of one network reach all ports of each other.
            "expose" => {}
            "mac_address" => match value.text() {
                Some(mac) => {
                    self.project
                        .macs
                        .push((self.name.clone(), mac.to_owned(), place.clone()))
                }
                None => self.builder.not_so(place, "a hardware address"),
            },
            "network_mode" => self.network_mode(value, place),
            "links" => self.links(value, place),
            "container_name" => {
                let name = value.text().unwrap_or_default().to_owned();
                if name != self.name {
                    let why = format!("its name is `{}`, and this one an alias", self.name);
                    self.builder.changed(place, why);
                    self.alias(self.name.clone(), &name, place);
                }
            }
            _ => return false,
        }
        true
    }

    fn alias(&mut self, of: String, alias: &str, place: &Place) {
        let aliases = self.project.aliases.entry(of).or_default();
        aliases.push((alias.to_owned(), place.clone()));
    }

    fn networks(&mut self, value: &Node, place: &Place) {
        if let Some(texts) = shape::texts(value) {
            for (text, line) in texts {
                let place = place.at(line);
                let name = self
                    .builder
                    .name(|names| &mut names.networks, &text, &place);
                self.out.table(NETWORKS).put(&name, Table::from(&place));
            }
            return;
        }
        for entry in value.entries().unwrap_or_default() {
            let place = place.below(entry.line, &entry.key);
            let name = self
                .builder
                .name(|names| &mut names.networks, &entry.key, &place);
            let mut out = Table::from(&place);
            for option in entry.value.entries().unwrap_or_default() {
                let place = place.below(option.line, &option.key);
                match (option.key.as_str(), option.value.text()) {
                    ("aliases", _) => {
                        for (alias, line) in shape::texts(&option.value).unwrap_or_default() {
                            out.push("aliases", alias, &place.at(line));
                        }
                    }
                    ("ipv4_address", Some(text)) => out.set("address", text, &place),
                    ("ipv6_address", Some(text)) => out.set("address6", text, &place),
                    ("mac_address", Some(text)) => out.set("mac", text, &place),
                    (key, _) if key.starts_with("x-") => {}
                    _ => self
                        .builder
                        .left_out(&place, "there is no such key of a network"),
                }
            }
            self.out.table(NETWORKS).put(&name, out);
        }
    }

    fn port(&mut self, node: &Node, place: &Place) {
        let ephemeral = "it names no port of the host: write `host:container`";
        if let Some(text) = node.text() {
            let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            return match ports.contains(':') {
                true if protocol == "tcp" => self.out.push("ports", ports, place),
                true => self.out.push("ports", text, place),
                false => self.builder.left_out(place, ephemeral),
            };
        }
        let text = |key| node.get(key).and_then(Node::text);
        for entry in node.entries().unwrap_or_default() {
            let below = place.below(entry.line, &entry.key);
            match entry.key.as_str() {
                "target" | "published" | "protocol" | "host_ip" | "name" | "app_protocol" => {}
                "mode" if entry.value.text() == Some("host") => {}
                "mode" => {
                    let why = "there is no swarm: the port is published on this node";
                    self.builder.changed(&below, why);
                }
                key if key.starts_with("x-") => {}
                _ => self.builder.left_out(&below, "ports have no such key"),
            }
        }
        let (Some(target), Some(published)) = (text("target"), text("published")) else {
            return self.builder.left_out(place, ephemeral);
        };
        let address = text("host_ip").map_or(String::new(), |ip| match ip.contains(':') {
            true => format!("[{}]:", ip.trim_matches(['[', ']'])),
            false => format!("{ip}:"),
        });
        let protocol = match text("protocol") {
            None | Some("tcp") => String::new(),
            Some(other) => format!("/{other}"),
        };
        let port = format!("{address}{published}:{target}{protocol}");
        self.out.push("ports", port, place);
    }

    /// That `key` is what another service has, which may be named otherwise in the TOML.
    pub(super) fn share(&mut self, key: &str, other: &str, place: &Place) {
        let names = &self.builder.names.containers;
        let other = names.given(other).unwrap_or(other);
        self.out.set(key, format!("container:{other}"), place);
    }

    fn network_mode(&mut self, value: &Node, place: &Place) {
        let mode = value.text().unwrap_or_default();
        match mode.split_once(':') {
            Some(("service" | "container", other)) => self.share("network", other, place),
            None if mode == "host" => self.out.push("host", "network", place),
            None if mode == "none" => self.out.set("network", "none", place),
            None if mode == "bridge" => {}
            _ => {
                let why = format!("there is no network mode `{mode}`");
                self.builder.left_out(place, why);
            }
        }
    }

    /// `service` or `service:alias`: it is started later, and knows the other by that name.
    fn links(&mut self, value: &Node, place: &Place) {
        for (text, line) in shape::texts(value).unwrap_or_default() {
            let place = place.at(line);
            let (service, alias) = text.split_once(':').unwrap_or((&text, &text));
            let other = self.builder.names.containers.given(service);
            let other = other.unwrap_or(service).to_owned();
            if alias != other {
                self.alias(other.clone(), alias, &place);
            }
            let after = self.out.table("after");
            if !after.has(&other) {
                after.set(&other, "started", &place);
            }
        }
    }
}

/// Gives a container its hardware address, in the one network that it has: which of several Compose means, differs
/// between its versions. Whether there is such a network.
pub(super) fn set_mac(table: &mut Table, mac: &str, place: &Place) -> bool {
    if table.has("network") || in_hosts_network(table) {
        return false;
    }
    if !table.has(NETWORKS) {
        let net = Table::from(place);
        table.table(NETWORKS).put(super::declared::DEFAULT, net);
    }
    let [(_, Item::Table(net))] = &mut table.table(NETWORKS).0[..] else {
        return false;
    };
    if !net.has("mac") {
        net.set("mac", mac, place);
    }
    true
}

/// Gives a container its aliases in each of its networks, and networks without settings the short form.
pub(super) fn finish(table: &mut Table, aliases: &[(String, Place)]) {
    let of_others = table.has("network") || in_hosts_network(table);
    if !aliases.is_empty() && !of_others && !table.has(NETWORKS) {
        let (_, place) = &aliases[0];
        table
            .table(NETWORKS)
            .put(super::declared::DEFAULT, Table::from(place));
    }
    let Some((_, item)) = table.0.iter_mut().find(|(name, _)| name == NETWORKS) else {
        return;
    };
    let Item::Table(networks) = item else {
        return;
    };
    for (_, attachment) in &mut networks.0 {
        if let Item::Table(attachment) = attachment {
            for (alias, place) in aliases {
                attachment.push("aliases", alias.as_str(), place);
            }
        }
    }
    let bare: Option<Vec<_>> = networks
        .0
        .iter()
        .map(|(name, item)| match item {
            Item::Table(table) if table.0.is_empty() => {
                Some((toml::Value::from(name.as_str()), item.place()?.clone()))
            }
            _ => None,
        })
        .collect();
    if let Some(bare) = bare {
        *item = Item::List(bare);
    }
}

fn in_hosts_network(table: &Table) -> bool {
    match table.get("host") {
        Some(Item::List(list)) => list.iter().any(|(one, _)| one.as_str() == Some("network")),
        _ => false,
    }
}
