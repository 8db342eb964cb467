//! What is declared at the top of a Compose file: networks, volumes, secrets, configs.

use super::project::Project;
use super::shape;
use crate::builder::Builder;
use crate::draft::Table;
use crate::files::Found;
use crate::note::Place;
use crate::yaml::{Entry, Node};

/// The network of services that name none.
pub(super) const DEFAULT: &str = "default";

/// Reads the entries of a section, each of them a mapping.
fn each(
    builder: &mut Builder<'_>,
    node: &Node,
    place: &Place,
    mut read: impl FnMut(&mut Builder<'_>, &str, &[Entry], &Place),
) {
    let Some(entries) = node.entries() else {
        return builder.not_so(place, "a mapping");
    };
    for entry in entries {
        let below = place.below(entry.line, &entry.key);
        match entry.value.entries() {
            Some(keys) => read(builder, &entry.key, keys, &below),
            None => builder.not_so(&below, "a mapping"),
        }
    }
}

pub(super) fn networks(builder: &mut Builder<'_>, node: &Node, place: &Place) {
    // Those with a subnet first: the others get what is left.
    for entry in node.entries().unwrap_or_default() {
        let ipam = entry.value.get("ipam").and_then(|ipam| ipam.get("config"));
        for config in ipam.and_then(Node::elements).unwrap_or_default() {
            if let Some(subnet) = config.get("subnet").and_then(Node::text) {
                builder.subnets.take(subnet);
            }
        }
    }
    each(builder, node, place, network);
}

fn network(builder: &mut Builder<'_>, text: &str, keys: &[Entry], place: &Place) {
    let name = builder.name(|names| &mut names.networks, text, place);
    let mut out = Table::from(place);
    for entry in keys {
        let below = place.below(entry.line, &entry.key);
        network_key(builder, &mut out, entry, &below);
    }
    if text == DEFAULT && out.0.is_empty() {
        return;
    }
    if !out.has("subnet") {
        match out.remove_key("subnet6") {
            // A network of IPv6 alone has it as its subnet.
            Some(item) => out.0.push(("subnet".to_owned(), item)),
            None => match builder.subnets.free() {
                Some(free) => out.set("subnet", free, place),
                None => builder.left_out(place, "no subnet of 10.90.0.0/16 is free: give it one"),
            },
        }
    }
    builder.root.table("net").put(&name, out);
}

fn network_key(builder: &mut Builder<'_>, out: &mut Table, entry: &Entry, place: &Place) {
    let value = &entry.value;
    match entry.key.as_str() {
        "driver" => match value.text() {
            Some("bridge") | None => {}
            Some(driver @ ("macvlan" | "ipvlan")) => out.set("driver", driver, place),
            Some(other) => {
                let why = format!("there is no driver `{other}`: bridge, macvlan and ipvlan are");
                builder.left_out(place, why);
            }
        },
        "driver_opts" => {
            for option in value.entries().unwrap_or_default() {
                let below = place.below(option.line, &option.key);
                let text = option.value.text().unwrap_or_default();
                match (option.key.as_str(), text.parse::<i64>()) {
                    ("com.docker.network.driver.mtu" | "mtu", Ok(mtu)) => {
                        out.set("mtu", mtu, &below);
                    }
                    ("parent", _) => out.set("parent", text, &below),
                    _ => builder.left_out(&below, "networks have no such option"),
                }
            }
        }
        "internal" => match shape::boolean(value) {
            Some(true) => out.set("internal", true, place),
            Some(false) => {}
            None => builder.not_so(place, "true or false"),
        },
        "ipam" => ipam(builder, out, value, place),
        "external" => {
            if shape::boolean(value) != Some(false) {
                let why = "it is declared here: all networks of a node are in its TOML";
                builder.changed(place, why);
            }
        }
        "enable_ipv6" => {
            if shape::boolean(value) == Some(true) {
                let why = "a network has IPv6 where it has an IPv6 subnet: give it one in `ipam`";
                let has = out.has("subnet6");
                if !has {
                    builder.left_out(place, why);
                }
            }
        }
        "name" => builder.changed(place, "it is known by its key, not by this name"),
        "attachable" | "enable_ipv4" => {}
        key if key.starts_with("x-") => {}
        "labels" => builder.left_out(place, "networks have no labels"),
        _ => builder.left_out(place, "networks have no such key"),
    }
}

fn ipam(builder: &mut Builder<'_>, out: &mut Table, node: &Node, place: &Place) {
    for entry in node.entries().unwrap_or_default() {
        let below = place.below(entry.line, &entry.key);
        if entry.key == "driver" && entry.value.text() == Some("default") {
            continue;
        }
        if entry.key != "config" {
            builder.left_out(&below, "addresses are managed by Orlop alone");
            continue;
        }
        for config in entry.value.elements().unwrap_or_default() {
            let text = |key| config.get(key).and_then(Node::text);
            let six = text("subnet").is_some_and(|subnet| subnet.contains(':'));
            for option in config.entries().unwrap_or_default() {
                let below = below.below(option.line, &option.key);
                let text = option.value.text().unwrap_or_default();
                match (option.key.as_str(), six) {
                    ("subnet", false) => out.set("subnet", text, &below),
                    ("subnet", true) => out.set("subnet6", text, &below),
                    ("gateway", false) => out.set("gateway", text, &below),
                    ("gateway", true) => out.set("gateway6", text, &below),
                    _ => builder.left_out(&below, "there is no such key of a subnet"),
                }
            }
        }
    }
}

pub(super) fn volumes(builder: &mut Builder<'_>, node: &Node, place: &Place) {
    each(builder, node, place, |builder, text, keys, place| {
        builder.volume(text, place);
        for entry in keys {
            let below = place.below(entry.line, &entry.key);
            match (entry.key.as_str(), entry.value.text()) {
                ("driver", Some("local")) => {}
                (key, _) if key.starts_with("x-") => {}
                ("external", Some("false")) => {}
                ("external", _) => builder.changed(
                    &below,
                    "it is declared here, and empty: bring its data to the node",
                ),
                ("name", _) => builder.changed(&below, "it is known by its key, not by this name"),
                ("labels", _) => builder.left_out(&below, "volumes have no labels"),
                _ => builder.left_out(
                    &below,
                    "a volume is a directory of the node: mount what it stands for below /mnt and write a path",
                ),
            }
        }
    });
}

pub(super) fn secrets(
    builder: &mut Builder<'_>,
    project: &mut Project,
    node: &Node,
    place: &Place,
) {
    each(builder, node, place, |builder, name, keys, place| {
        let mut holds = format!("the text of the secret {name}");
        for entry in keys {
            let below = place.below(entry.line, &entry.key);
            match (entry.key.as_str(), entry.value.text()) {
                ("file", Some(file)) => holds = format!("what {file} holds"),
                ("environment", Some(variable)) => holds = format!("the value of ${variable}"),
                ("external" | "name", _) => {}
                (key, _) if key.starts_with("x-") => {}
                _ => builder.left_out(&below, "secrets have no such key"),
            }
        }
        project.secrets.insert(name.to_owned(), holds.clone());
        builder.secret(name, place, &holds);
    });
}

pub(super) fn configs(
    builder: &mut Builder<'_>,
    project: &mut Project,
    node: &Node,
    place: &Place,
) {
    each(builder, node, place, |builder, name, keys, place| {
        let mut content = None;
        for entry in keys {
            let below = place.below(entry.line, &entry.key);
            match (entry.key.as_str(), entry.value.text()) {
                ("content", Some(text)) => content = Some(text.to_owned()),
                ("file", Some(path)) => content = file(builder, path, &below),
                ("name", _) => {}
                (key, _) if key.starts_with("x-") => {}
                _ => builder.left_out(&below, "only `file` and `content` can be carried"),
            }
        }
        project.configs.insert(name.to_owned(), content);
    });
}

/// The text of a file beside the Compose file.
pub(super) fn file(builder: &mut Builder<'_>, path: &str, place: &Place) -> Option<String> {
    let why = match builder.files.find(&place.file, path) {
        Found::Text(text) => return Some(text),
        Found::NotText => "is no text, or too large for a TOML",
        Found::Directory => "is a directory",
        Found::Missing => "is not there, or cannot be read",
        Found::Outside => "is outside of the file's own folder, and not read",
    };
    let why = format!("{path} {why}: write its text into `files` of the container");
    builder.left_out(place, why);
    None
}
