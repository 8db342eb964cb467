//! `.network` and `.volume` units.

use super::unit::Unit;
use crate::builder::Builder;
use crate::draft::Table;
use crate::quantity;

pub(super) fn network(builder: &mut Builder<'_>, unit: &Unit) {
    let (name, _) = builder.names.networks.name(&unit.stem);
    let place = unit.top();
    let mut out = Table::from(&place);
    for entry in &unit.entries {
        let place = unit.place(entry);
        if entry.section != "Network" {
            other_section(builder, unit, entry);
            continue;
        }
        let value = entry.value.as_str();
        let six = value.contains(':');
        match (entry.key.as_str(), six) {
            ("Subnet", false) => {
                builder.subnets.take(value);
                out.set("subnet", value, &place);
            }
            ("Subnet", true) => out.set("subnet6", value, &place),
            ("Gateway", false) => out.set("gateway", value, &place),
            ("Gateway", true) => out.set("gateway6", value, &place),
            ("Driver", _) if value == "bridge" => {}
            ("Driver", _) => out.set("driver", value, &place),
            ("Internal", _) if quantity::boolean(value) == Some(true) => {
                out.set("internal", true, &place);
            }
            ("DisableDNS", _) if quantity::boolean(value) == Some(true) => {
                out.set("dns", false, &place);
            }
            ("IPv6" | "Internal" | "DisableDNS" | "NetworkDeleteOnStop", _)
                if quantity::boolean(value) == Some(false) => {}
            ("IPv6", _)
                if unit
                    .entries
                    .iter()
                    .any(|e| e.key == "Subnet" && e.value.contains(':')) => {}
            ("IPv6", _) => builder.left_out(&place, "give it an IPv6 subnet: `Subnet=`"),
            ("NetworkName", _) => builder.changed(&place, "it is known by its file's name"),
            ("Options", _) => options(builder, &mut out, unit, entry),
            _ => builder.left_out(&place, "networks have no such key"),
        }
    }
    if !out.has("subnet") {
        match out.remove_key("subnet6") {
            Some(item) => out.0.push(("subnet".to_owned(), item)),
            None => match builder.subnets.free() {
                Some(free) => out.set("subnet", free, &place),
                None => builder.left_out(&place, "no subnet of 10.90.0.0/16 is free: give it one"),
            },
        }
    }
    builder.root.table("net").put(&name, out);
}

fn options(builder: &mut Builder<'_>, out: &mut Table, unit: &Unit, entry: &super::unit::Entry) {
    let place = unit.place(entry);
    for option in entry.value.split(',') {
        match option.split_once('=') {
            Some(("mtu", mtu)) if mtu.parse::<i64>().is_ok() => {
                out.set("mtu", mtu.parse::<i64>().unwrap_or_default(), &place);
            }
            Some(("parent", parent)) => out.set("parent", parent, &place),
            _ => {
                let why = format!("networks have no option `{option}`");
                builder.left_out(&place, why);
            }
        }
    }
}

pub(super) fn volume(builder: &mut Builder<'_>, unit: &Unit) {
    builder.volume(&unit.stem, &unit.top());
    for entry in &unit.entries {
        let place = unit.place(entry);
        if entry.section != "Volume" {
            other_section(builder, unit, entry);
            continue;
        }
        match (entry.key.as_str(), entry.value.as_str()) {
            ("Driver", "local") | ("Copy", _) => {}
            ("VolumeName", _) => builder.changed(&place, "it is known by its file's name"),
            _ => {
                let why = "a volume is a directory of the node: mount what it stands for below /mnt and write a path";
                builder.left_out(&place, why);
            }
        }
    }
}

/// Networks and volumes are there before their containers, whatever their units say.
fn other_section(builder: &mut Builder<'_>, unit: &Unit, entry: &super::unit::Entry) {
    if !matches!(entry.section.as_str(), "Install" | "Unit") {
        let why = format!("[{}] says nothing of it", entry.section);
        builder.left_out(&unit.place(entry), why);
    }
}
