//! What a service has in its file system beside its image.

use super::service::Service;
use super::shape;
use crate::mount::{Mount, is_path, is_propagation};
use crate::note::Place;
use crate::quantity;
use crate::yaml::{Entry, Node};
use toml::Value;

/// Words of a short mount that mean nothing on a node: SELinux, and Docker Desktop's caches.
const NO_MEANING: [&str; 7] = [
    "rw",
    "z",
    "Z",
    "cached",
    "delegated",
    "consistent",
    "nocopy",
];

/// The same of a tmpfs, which is so on a node too.
const TMPFS_NO_MEANING: [&str; 3] = ["rw", "nosuid", "nodev"];

impl Service<'_, '_> {
    pub(super) fn storage(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "volumes" => {
                for one in value.elements().unwrap_or_default() {
                    let place = place.at(one.line);
                    match one.text() {
                        Some(text) => self.short_mount(text, &place),
                        None => self.long_mount(one, &place),
                    }
                }
            }
            "tmpfs" => {
                for (text, line) in shape::texts(value).unwrap_or_default() {
                    let place = place.at(line);
                    let (path, options) = text.split_once(':').unwrap_or((&text, ""));
                    self.tmpfs(path, options, &place);
                }
            }
            "secrets" => self.grants(value, place, Self::secret),
            "configs" => self.grants(value, place, Self::config),
            "shm_size" => self.read_text("shm_size", value, place, "a size", |text| {
                quantity::size(text).map(Value::from)
            }),
            "devices" => self.devices(value, place),
            _ => return false,
        }
        true
    }

    fn short_mount(&mut self, text: &str, place: &Place) {
        if let Some(mount) = self.builder.short_mount(text, &NO_MEANING, place) {
            let name = self.name.clone();
            self.builder.mount(&mut self.out, &name, &mount, place);
        }
    }

    fn long_mount(&mut self, node: &Node, place: &Place) {
        let text = |key| node.get(key).and_then(Node::text);
        let Some(target) = text("target") else {
            return self.builder.not_so(place, "a mount with a `target`");
        };
        let kind = text("type").unwrap_or("volume");
        for entry in node.entries().unwrap_or_default() {
            let below = place.below(entry.line, &entry.key);
            match entry.key.as_str() {
                "type" | "source" | "target" | "read_only" | "consistency" => {}
                "tmpfs" if kind == "tmpfs" => {}
                "volume" | "bind" => self.mount_options(&entry.value, &below),
                key if key.starts_with("x-") => {}
                _ => self.builder.left_out(&below, "mounts have no such key"),
            }
        }
        let source = text("source").map(str::to_owned);
        let path = source.as_deref().is_some_and(is_path);
        match (kind, path) {
            ("tmpfs", _) => {
                let size = node.get("tmpfs").and_then(|one| one.get("size"));
                let size = size.and_then(Node::text);
                let options = size.map(|size| format!("size={size}"));
                return self.tmpfs(target, &options.unwrap_or_default(), place);
            }
            ("bind", true) | ("volume", false) => {}
            _ => {
                return self
                    .builder
                    .left_out(place, "there are no mounts of this kind");
            }
        }
        let read_only = node.get("read_only").and_then(shape::boolean) == Some(true);
        let mount = Mount {
            source,
            target: target.to_owned(),
            read_only,
            propagation: self.propagation(node, place),
        };
        let name = self.name.clone();
        self.builder.mount(&mut self.out, &name, &mount, place);
    }

    fn propagation(&mut self, node: &Node, place: &Place) -> Option<String> {
        let found = node.get("bind")?.get("propagation")?.text()?;
        if is_propagation(found) {
            return Some(found.to_owned());
        }
        let expected = "a propagation, such as `rslave`";
        self.builder
            .not_so(&place.below(place.line, "bind.propagation"), expected);
        None
    }

    fn mount_options(&mut self, node: &Node, place: &Place) {
        for entry in node.entries().unwrap_or_default() {
            if matches!(
                entry.key.as_str(),
                "create_host_path" | "nocopy" | "propagation" | "selinux"
            ) {
                continue;
            }
            let below = place.below(entry.line, &entry.key);
            self.builder.left_out(&below, "mounts have no such option");
        }
    }

    fn tmpfs(&mut self, path: &str, options: &str, place: &Place) {
        let out = &mut self.out;
        self.builder
            .tmpfs(out, (path, options), &TMPFS_NO_MEANING, place);
    }

    /// Secrets or configs, by name or in the long form.
    fn grants(&mut self, value: &Node, place: &Place, grant: fn(&mut Self, &str, &Node, &Place)) {
        for one in value.elements().unwrap_or_default() {
            let place = place.at(one.line);
            let source = one
                .text()
                .or_else(|| one.get("source").and_then(Node::text));
            match source {
                Some(source) => grant(self, source, one, &place),
                None => self
                    .builder
                    .not_so(&place, "a name, or a mapping with `source`"),
            }
        }
    }

    fn secret(&mut self, source: &str, node: &Node, place: &Place) {
        let Some(holds) = self.project.secrets.get(source).cloned() else {
            let why = format!("`secrets` at the top of the file has no {source}");
            return self.builder.left_out(place, why);
        };
        let target = node.get("target").and_then(Node::text).unwrap_or(source);
        let target = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("/run/secrets/{target}"),
        };
        let name = self.builder.secret(source, place, &holds);
        self.out.table("secrets").set(&target, name, place);
        for entry in options(node) {
            let below = place.below(entry.line, &entry.key);
            let why = "a secret belongs to the container's user, with mode 0400";
            self.builder.left_out(&below, why);
        }
    }

    fn config(&mut self, source: &str, node: &Node, place: &Place) {
        let content = match self.project.configs.get(source).cloned() {
            Some(Some(content)) => content,
            // Said where it is declared.
            Some(None) => return,
            None => {
                let why = format!("`configs` at the top of the file has no {source}");
                return self.builder.left_out(place, why);
            }
        };
        let target = node.get("target").and_then(Node::text).unwrap_or(source);
        let target = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("/{target}"),
        };
        let file = self.out.table("files").table(&target);
        file.set("content", content, place);
        let text = |key| node.get(key).and_then(Node::text);
        if let Some(mode) = text("mode") {
            file.set("mode", mode.replace("0o", "0"), place);
        }
        match (text("uid"), text("gid")) {
            (Some(user), Some(group)) => file.set("owner", format!("{user}:{group}"), place),
            (Some(user), None) => file.set("owner", user, place),
            (None, Some(_)) => self
                .builder
                .left_out(place, "`gid` without `uid` says nothing"),
            (None, None) => {}
        }
    }

    fn devices(&mut self, value: &Node, place: &Place) {
        for one in value.elements().unwrap_or_default() {
            let place = place.at(one.line);
            let text = |key| one.get(key).and_then(Node::text);
            let device = match (one.text(), text("source")) {
                (Some(text), _) => text.to_owned(),
                (None, Some(source)) => {
                    let parts = [text("target"), text("permissions")];
                    let parts = parts.into_iter().flatten().map(|part| format!(":{part}"));
                    format!("{source}{}", parts.collect::<String>())
                }
                (None, None) => {
                    self.builder.not_so(&place, "a device");
                    continue;
                }
            };
            self.out.push("devices", device, &place);
        }
    }
}

/// The keys of a long form beside what it grants.
fn options(node: &Node) -> Vec<Entry> {
    let entries = match node.text() {
        Some(_) => &[],
        None => node.entries().unwrap_or_default(),
    };
    let other = |entry: &&Entry| !matches!(entry.key.as_str(), "source" | "target");
    entries.iter().filter(other).cloned().collect()
}
