//! The resources of a service: its own keys and those of `deploy:`.

use super::service::Service;
use super::shape;
use crate::draft::Item;
use crate::note::Place;
use crate::quantity;
use crate::yaml::Node;
use toml::Value;

/// Docker's `cpu_shares`, of cgroup v1 (systemd.resource-control(5)).
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// Why the keys of how a change is rolled out, and back, are left out.
const JUDGED: &str = "a change is judged by the gate and goes back by itself: `[gate]`";

impl Service<'_, '_> {
    pub(super) fn resources(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        let number = |text: &str| text.parse::<i64>().ok().map(Value::from);
        match key {
            "mem_limit" => self.size("memory", value, place),
            "memswap_limit" => self.swap(value, place),
            "mem_reservation" => self.reservation(place),
            "cpus" => self.cpus(value, place),
            "cpuset" => self.text("cpuset", value, place),
            "cpu_shares" => self.read_text("cpu_weight", value, place, "a number", |text| {
                let shares = text.parse().ok()?;
                let weight = quantity::weight(shares, SHARES);
                i64::try_from(weight).ok().map(Value::from)
            }),
            // No limit is what is so anyway.
            "pids_limit" if matches!(value.text(), Some("-1" | "0")) => {}
            "pids_limit" => self.read_text("pids", value, place, "a number", number),
            "deploy" => {
                for entry in value.entries().unwrap_or_default() {
                    let below = place.below(entry.line, &entry.key);
                    self.deploy(&entry.key, &entry.value, &below);
                }
            }
            _ => return false,
        }
        true
    }

    fn size(&mut self, key: &str, value: &Node, place: &Place) {
        // Docker's word for none.
        if value.text() == Some("0") {
            return;
        }
        let read = |text: &str| quantity::size(text).map(Value::from);
        self.read_text(key, value, place, "a size", read);
    }

    fn cpus(&mut self, value: &Node, place: &Place) {
        let read = |text: &str| text.parse::<f64>().ok().filter(|cpus| cpus.is_finite());
        match value.text().and_then(read) {
            Some(0.0) => {}
            Some(cpus) => self.out.set("cpus", cpus, place),
            None => self.builder.not_so(place, "a number of processors"),
        }
    }

    /// Docker's limit is that of memory and swap together.
    fn swap(&mut self, value: &Node, place: &Place) {
        let memory = match self.out.get("memory") {
            Some(Item::Leaf(Value::String(text), _)) => quantity::bytes(&text.replace(' ', "")),
            _ => None,
        };
        let both = value.text().and_then(quantity::bytes);
        match (both, memory) {
            (Some(0), _) => {}
            (Some(both), Some(memory)) if both >= memory => {
                let swap = orlop_config::ByteSize(both - memory).to_string();
                self.out.set("swap", swap, place);
            }
            _ => {
                let why = "it is written as `swap`, what may be used besides `memory`";
                self.builder.left_out(place, why);
            }
        }
    }

    fn reservation(&mut self, place: &Place) {
        let why = "memory is not set aside: limit the others with `memory` and `memory_high`";
        self.builder.left_out(place, why);
    }

    fn deploy(&mut self, key: &str, value: &Node, place: &Place) {
        match key {
            "resources" => self.deploy_resources(value, place),
            "replicas" => self.replicas(value, place),
            "restart_policy" => self.restart_policy(value, place),
            "mode" if value.text() == Some("replicated") => {}
            key if key.starts_with("x-") => {}
            "update_config" => self.update_config(value, place),
            "rollback_config" => {
                self.builder.left_out(place, JUDGED);
            }
            _ => self.builder.left_out(place, "there is no swarm"),
        }
    }

    /// Of how a change is rolled out, only the order is the container's; the rest is the gate's.
    fn update_config(&mut self, value: &Node, place: &Place) {
        for entry in value.entries().unwrap_or_default() {
            let (place, value) = (place.below(entry.line, &entry.key), &*entry.value);
            match (entry.key.as_str(), value.text()) {
                ("order", Some("start-first")) => self.out.set("update", "start-first", &place),
                ("order", Some("stop-first")) => {}
                ("order", _) => self.builder.not_so(&place, "start-first or stop-first"),
                _ => self.builder.left_out(&place, JUDGED),
            }
        }
    }

    fn deploy_resources(&mut self, value: &Node, place: &Place) {
        for part in value.entries().unwrap_or_default() {
            let place = place.below(part.line, &part.key);
            for entry in part.value.entries().unwrap_or_default() {
                let (place, value) = (place.below(entry.line, &entry.key), &*entry.value);
                match (part.key.as_str(), entry.key.as_str()) {
                    ("limits", "memory") => self.size("memory", value, &place),
                    ("limits", "cpus") => self.cpus(value, &place),
                    ("limits", "pids") => {
                        self.read_text("pids", value, &place, "a number", |text| {
                            text.parse::<i64>().ok().map(Value::from)
                        });
                    }
                    ("reservations", "memory") => self.reservation(&place),
                    ("reservations", "cpus") => {
                        let why = "processors are not set aside: give it a `cpu_weight`";
                        self.builder.left_out(&place, why);
                    }
                    ("reservations", "devices") => self.reserved(value, &place),
                    _ => self.builder.left_out(&place, "there is no such resource"),
                }
            }
        }
    }

    /// Devices by the names of the Container Device Interface; what other drivers find is known to Docker alone.
    fn reserved(&mut self, value: &Node, place: &Place) {
        for one in value.elements().unwrap_or_default() {
            let place = place.at(one.line);
            if one.get("driver").and_then(Node::text) != Some("cdi") {
                let why = "only the driver `cdi` names devices: write them into `devices`, such as nvidia.com/gpu=all";
                self.builder.left_out(&place, why);
                continue;
            }
            let ids = one.get("device_ids").and_then(shape::texts);
            for (id, line) in ids.unwrap_or_default() {
                self.out.push("devices", id, &place.at(line));
            }
        }
    }

    fn restart_policy(&mut self, value: &Node, place: &Place) {
        self.out.set("restart", "always", place);
        for entry in value.entries().unwrap_or_default() {
            let (place, value) = (place.below(entry.line, &entry.key), &*entry.value);
            match entry.key.as_str() {
                "condition" => self.read_text("restart", value, &place, "a condition", |text| {
                    let policy = match text {
                        "any" => "always",
                        "on-failure" => "on-failure",
                        "none" => "never",
                        _ => return None,
                    };
                    Some(policy.into())
                }),
                "delay" => self.read_text("restart_delay", value, &place, "a duration", |text| {
                    quantity::duration(text).map(Value::from)
                }),
                "max_attempts" => {
                    self.read_text("restart_limit", value, &place, "a number", |text| {
                        text.parse::<i64>().ok().map(Value::from)
                    });
                }
                _ => {
                    let why = "a limit of restarts is one within an hour";
                    self.builder.left_out(&place, why);
                }
            }
        }
    }
}
