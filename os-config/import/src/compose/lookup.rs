//! How a service finds others by name, and how its image is had.

use super::service::Service;
use crate::note::Place;
use crate::yaml::{Data, Node};

impl Service<'_, '_> {
    pub(super) fn lookup(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "dns" => self.list("dns", value, place),
            "dns_search" => self.list("dns_search", value, place),
            "dns_opt" => self.list("dns_options", value, place),
            "extra_hosts" => self.hosts(value, place),
            "platform" => self.text("platform", value, place),
            "pull_policy" => match value.text() {
                Some("always") => {}
                Some("missing" | "if_not_present") => self.out.set("pull", "missing", place),
                Some("never") => self.out.set("pull", "never", place),
                _ => {
                    let why =
                        "a node builds no images, and looks for newer ones by `[update] every`";
                    self.builder.left_out(place, why);
                }
            },
            _ => return false,
        }
        true
    }

    /// `NAME=ADDRESS`, `NAME:ADDRESS`, or a mapping of them.
    fn hosts(&mut self, value: &Node, place: &Place) {
        if let Some(entries) = value.entries() {
            for entry in entries {
                let place = place.below(entry.line, &entry.key);
                for address in entry
                    .value
                    .elements()
                    .unwrap_or(std::slice::from_ref(&entry.value))
                {
                    self.host(&entry.key, address.text(), &place);
                }
            }
            return;
        }
        let Data::List(list) = &value.data else {
            return self.builder.not_so(place, "a list of NAME=ADDRESS");
        };
        for one in list {
            let place = place.at(one.line);
            let text = one.text().unwrap_or_default();
            match text.split_once(['=', ':']) {
                Some((name, address)) => self.host(name, Some(address), &place),
                None => self.builder.not_so(&place, "NAME=ADDRESS"),
            }
        }
    }

    fn host(&mut self, name: &str, address: Option<&str>, place: &Place) {
        let Some(address) = address else {
            return self.builder.not_so(place, "an address");
        };
        // Addresses of IPv6 may stand in brackets.
        let address = address.trim_start_matches('[').trim_end_matches(']');
        self.out
            .table("hosts")
            .set(&name.to_ascii_lowercase(), address, place);
    }
}
