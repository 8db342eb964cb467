//! How fast a service may use disks, and how soon it is killed for memory.

use super::service::Service;
use crate::draft::Table;
use crate::note::Place;
use crate::quantity;
use crate::yaml::{Entry, Node};
use toml::Value;

/// Docker's `weight`, of cgroup v1 (Linux, Documentation/admin-guide/cgroup-v1/blkio-controller.rst).
const WEIGHTS: std::ops::RangeInclusive<u64> = 10..=1000;

impl Service<'_, '_> {
    pub(super) fn io(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "oom_score_adj" => self.read_text("oom_score_adj", value, place, "a number", |text| {
                text.parse::<i64>().ok().map(Value::from)
            }),
            "blkio_config" => {
                for entry in value.entries().unwrap_or_default() {
                    let below = place.below(entry.line, &entry.key);
                    self.blkio(entry, &below);
                }
            }
            _ => return false,
        }
        true
    }

    fn blkio(&mut self, entry: &Entry, place: &Place) {
        match entry.key.as_str() {
            "weight" => self.read_text("io_weight", &entry.value, place, "a number", |text| {
                let weight = quantity::weight(text.parse().ok()?, WEIGHTS);
                i64::try_from(weight).ok().map(Value::from)
            }),
            "device_read_bps" => self.limits("read", &entry.value, place),
            "device_write_bps" => self.limits("write", &entry.value, place),
            "device_read_iops" => self.limits("read_ops", &entry.value, place),
            "device_write_iops" => self.limits("write_ops", &entry.value, place),
            "weight_device" => {
                let why = "a weight is that of all disks: `io_weight`";
                self.builder.left_out(place, why);
            }
            key if key.starts_with("x-") => {}
            _ => self.builder.left_out(place, "there is no such limit"),
        }
    }

    fn limits(&mut self, key: &str, value: &Node, place: &Place) {
        for one in value.elements().unwrap_or_default() {
            let place = place.at(one.line);
            let text = |key| one.get(key).and_then(Node::text);
            let limit = text("rate").and_then(|rate| limit(key, rate));
            let (Some(disk), Some(limit)) = (text("path"), limit) else {
                self.builder.not_so(&place, "a disk and a rate");
                continue;
            };
            set(&mut self.out, disk, key, limit, &place);
        }
    }
}

/// Sets a limit of a disk.
pub(crate) fn set(container: &mut Table, disk: &str, key: &str, limit: Value, place: &Place) {
    let disks = container.table("io");
    if !disks.has(disk) {
        disks.put(disk, Table::from(place));
    }
    disks.table(disk).set(key, limit, place);
}

/// A limit of a disk as the TOML writes it, for its key there.
fn limit(key: &str, text: &str) -> Option<Value> {
    match key {
        "read_ops" | "write_ops" => text.parse::<i64>().ok().map(Value::from),
        _ => quantity::size(text).map(|size| Value::from(format!("{size}/s"))),
    }
}
