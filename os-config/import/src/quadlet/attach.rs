//! The networks and ports of a `.container` unit.

use super::container::Reading;
use crate::draft::Table;
use crate::note::Place;

const NETWORKS: &str = "networks";

impl Reading<'_, '_> {
    pub(super) fn attach_key(&mut self, key: &str, value: &str, place: &Place) -> bool {
        match key {
            "PublishPort" => self.port(value, place),
            "Network" => self.network(value, place),
            "NetworkAlias" => self.on_first(place, |table| table.push("aliases", value, place)),
            "IP" => self.on_first(place, |table| table.set("address", value, place)),
            "IP6" => self.on_first(place, |table| table.set("address6", value, place)),
            _ => return false,
        }
        true
    }

    fn port(&mut self, value: &str, place: &Place) {
        let value = value.strip_suffix("/tcp").unwrap_or(value);
        if value.contains(':') {
            // An address without a port in the middle is as good as none.
            self.out.push("ports", value, place);
        } else {
            let why = "it names no port of the host: write `host:container`";
            self.builder.left_out(place, why);
        }
    }

    fn network(&mut self, value: &str, place: &Place) {
        let (mode, options) = value.split_once(':').unwrap_or((value, ""));
        match mode {
            "host" => self.out.push("host", "network", place),
            "none" => self.out.set("network", "none", place),
            "container" => self.join(options, place),
            "bridge" | "private" => {}
            "pasta" | "slirp4netns" | "ns" => {
                let why = "there is no such mode: it joins the network `default`";
                self.builder.left_out(place, why);
            }
            other if other.ends_with(".container") => self.join(other, place),
            other => self.attachment(other, options, place),
        }
    }

    /// Another container's network.
    fn join(&mut self, other: &str, place: &Place) {
        let name = self.builder.names.containers.given(other);
        let name = name.unwrap_or(other.trim_end_matches(".container"));
        let mode = format!("container:{name}");
        self.out.set("network", mode, place);
    }

    fn attachment(&mut self, text: &str, options: &str, place: &Place) {
        let stem = text.strip_suffix(".network");
        let name = self.builder.names.networks.given(text).map(str::to_owned);
        let name = match (name, stem) {
            (Some(name), _) => name,
            (None, Some(_)) => {
                let why = format!("give {text} along");
                return self.builder.left_out(place, why);
            }
            (None, None) => self.foreign(text, place),
        };
        let mut table = Table::from(place);
        for option in options.split(',').filter(|one| !one.is_empty()) {
            match option.split_once('=') {
                Some(("ip", ip)) if ip.contains(':') => table.set("address6", ip, place),
                Some(("ip", ip)) => table.set("address", ip, place),
                Some(("mac", mac)) => table.set("mac", mac, place),
                Some(("alias", alias)) => table.push("aliases", alias, place),
                _ => {
                    let why = format!("networks have no option `{option}`");
                    self.builder.left_out(place, why);
                }
            }
        }
        self.out.table(NETWORKS).put(&name, table);
    }

    /// A network that Podman has, and no unit.
    fn foreign(&mut self, text: &str, place: &Place) -> String {
        let name = self.builder.name(|names| &mut names.networks, text, place);
        if let Some(free) = self.builder.subnets.free() {
            let mut net = Table::from(place);
            net.set("subnet", free.as_str(), place);
            self.builder.root.table("net").put(&name, net);
            let why = format!("the network `{name}` is declared here, with {free}");
            self.builder.changed(place, why);
        }
        name
    }

    /// Podman gives these to the one network that there is.
    fn on_first(&mut self, place: &Place, set: impl FnOnce(&mut Table)) {
        let first = self.unit.last("Container", "Network");
        let first = first.map(|entry| entry.value.split(':').next().unwrap_or_default());
        let name = match first {
            None => Some("default".to_owned()),
            Some(text) => self.builder.names.networks.given(text).map(str::to_owned),
        };
        let Some(name) = name else {
            let why = "its network has no such thing";
            return self.builder.left_out(place, why);
        };
        let networks = self.out.table(NETWORKS);
        if !networks.has(&name) {
            networks.put(&name, Table::from(place));
        }
        set(networks.table(&name));
    }
}
