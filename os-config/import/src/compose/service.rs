//! `services:`.

use super::project::Project;
use super::shape;
use crate::builder::Builder;
use crate::draft::{Item, Table};
use crate::import::Settings;
use crate::note::Place;
use crate::yaml::{Entry, Node};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where an image stands that has to be pushed first. `.invalid` is nobody's (RFC 2606).
const NO_REGISTRY: &str = "registry.invalid";

/// Read before the others, which look at them or win over them.
const FIRST: [&str; 6] = [
    "image",
    "privileged",
    "network_mode",
    "env_file",
    "mem_limit",
    "deploy",
];

/// Keys without a meaning on a node, or with none that Orlop has, and what to do instead.
const NOT_CARRIED: [(&str, &str); 24] = [
    ("attach", "logs are in the journal: `orlop container logs`"),
    ("cgroup", "each container has a cgroup of its own"),
    ("cgroup_parent", "each container has a cgroup of its own"),
    ("cpu_count", "write `cpus`"),
    ("cpu_percent", "write `cpus`"),
    ("cpu_period", "write `cpus`"),
    ("cpu_quota", "write `cpus`"),
    ("cpu_rt_period", "there are no real-time shares"),
    ("cpu_rt_runtime", "there are no real-time shares"),
    ("credential_spec", "it is Windows' own"),
    ("develop", "it is for development, not for a node"),
    ("device_cgroup_rules", "name the devices in `devices`"),
    ("domainname", "write it behind the host name in `hostname`"),
    (
        "extends",
        "import what `docker compose config` prints, which has it filled in",
    ),
    (
        "external_links",
        "name the network and the container in this file",
    ),
    (
        "gpus",
        "name the devices in `devices`, such as nvidia.com/gpu=all",
    ),
    ("isolation", "it is Windows' own"),
    ("label_file", "write the labels into `labels`"),
    ("mem_swappiness", "cgroups have no such setting any more"),
    ("oom_kill_disable", "cgroups have no such setting any more"),
    ("post_start", "there are no hooks: let the image do it"),
    ("pre_stop", "there are no hooks: let the image do it"),
    ("storage_opt", "the root has no size of its own"),
    (
        "volumes_from",
        "name the volumes in `volumes` of this service too",
    ),
];

/// A service while it is read.
pub(super) struct Service<'s, 'f> {
    pub(super) builder: &'s mut Builder<'f>,
    pub(super) project: &'s mut Project,
    pub(super) variables: &'s BTreeMap<String, String>,
    /// Its name in the TOML.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) out: Table,
}

/// Reads all services. Those that no profile takes along are not enabled.
pub(super) fn services(
    builder: &mut Builder<'_>,
    project: &mut Project,
    settings: &Settings,
    services: &[Entry],
    file: &Rc<str>,
) {
    let top = Place::new(file, 1, "services");
    let mut taken = Vec::new();
    for entry in services {
        let place = top.below(entry.line, &entry.key);
        if entry.value.entries().is_none() {
            builder.not_so(&place, "a mapping");
            continue;
        }
        let name = builder.name(|names| &mut names.containers, &entry.key, &place);
        if name != entry.key && !entry.key.contains('_') {
            let aliases = project.aliases.entry(name.clone()).or_default();
            aliases.push((entry.key.clone(), place.clone()));
        }
        taken.push((entry, name, place));
    }
    for (entry, name, place) in taken {
        let mut service = Service {
            builder: &mut *builder,
            project: &mut *project,
            variables: &settings.variables,
            name: name.clone(),
            out: Table::from(&place),
            place,
        };
        if let Some((why, line)) = profile_off(&entry.value, settings) {
            let place = service.place.below(line, "profiles");
            service.builder.changed(&place, why);
            service.out.set("enabled", false, &place);
        }
        service.read(&entry.value);
        let out = service.out;
        builder.root.table("container").put(&name, out);
    }
    finish(builder, project);
}

/// Why a service does not run by the profiles, and the line that says so.
fn profile_off(node: &Node, settings: &Settings) -> Option<(String, usize)> {
    let profiles = shape::texts(node.get("profiles")?)?;
    let (first, line) = profiles.first()?;
    let on = |(name, _): &(String, usize)| settings.profiles.contains(name);
    let off = !profiles.iter().any(on);
    let why = format!("its profile is not asked for, so it is not enabled: give --profile {first}");
    off.then_some((why, *line))
}

/// What can be said only when all services are read.
fn finish(builder: &mut Builder<'_>, project: &Project) {
    let Builder { root, names, .. } = builder;
    let containers = root.table("container");
    for name in &project.awaited {
        let Some(name) = names.containers.given(name) else {
            continue;
        };
        if let Some((_, Item::Table(table))) = containers.0.iter_mut().find(|(one, _)| one == name)
        {
            let place = Item::Table(table.clone()).place().cloned();
            if let Some(place) = place {
                table.set("kind", "task", &place);
            }
        }
    }
    let mut left_out = Vec::new();
    for (name, mac, place) in &project.macs {
        let found = containers.0.iter_mut().find(|(one, _)| one == name);
        if let Some((_, Item::Table(table))) = found
            && !super::attach::set_mac(table, mac, place)
        {
            left_out.push(place);
        }
    }
    for (name, item) in &mut containers.0 {
        if let Item::Table(table) = item {
            let aliases = project.aliases.get(name);
            super::attach::finish(table, aliases.map_or(&[], Vec::as_slice));
        }
    }
    for place in left_out {
        let why =
            "it has not one network of its own: write `mac_address` below one of its `networks`";
        builder.left_out(place, why);
    }
}

impl Service<'_, '_> {
    fn read(&mut self, node: &Node) {
        let entries = node.entries().unwrap_or_default();
        if node.get("image").is_none() {
            let image = format!(
                "{NO_REGISTRY}/{}/{}:latest",
                self.builder.project, self.name
            );
            let place = self.place.clone();
            self.out.set("image", image.clone(), &place);
            if node.get("build").is_none() {
                let why = format!("it names no image: write one in the place of {image}");
                self.builder
                    .left_out(&place.below(place.line, "image"), why);
            }
        }
        let first = |entry: &&Entry| FIRST.contains(&entry.key.as_str());
        let rest = entries.iter().filter(|entry| !first(entry));
        for entry in entries.iter().filter(first).chain(rest) {
            let place = self.place.below(entry.line, &entry.key);
            self.key(entry, &place, node);
        }
        // Compose's default, which is not Orlop's.
        if !self.out.has("restart") {
            let place = self.place.clone();
            self.out.set("restart", "never", &place);
        }
    }

    fn key(&mut self, entry: &Entry, place: &Place, node: &Node) {
        let (key, value) = (entry.key.as_str(), &*entry.value);
        let known = self.process(key, value, place)
            || self.storage(key, value, place)
            || self.attach(key, value, place)
            || self.lookup(key, value, place)
            || self.lifecycle(key, value, place)
            || self.rights(key, value, place)
            || self.io(key, value, place)
            || self.resources(key, value, place);
        if known || key.starts_with("x-") || key == "profiles" {
            return;
        }
        if key == "build" {
            let why = match node.get("image") {
                Some(_) => "a node builds no images: push this one to a registry".to_owned(),
                None => format!(
                    "a node builds no images: push this one to a registry, and write its name in the place of {NO_REGISTRY}/{}/{}:latest",
                    self.builder.project, self.name
                ),
            };
            self.builder.left_out(place, why);
            return;
        }
        // Values that say what is so anyway.
        let plain = matches!(
            (key, value.text()),
            ("oom_kill_disable", Some("false")) | ("attach", Some(_))
        );
        if plain {
            return;
        }
        let known = NOT_CARRIED.iter().find(|(name, _)| *name == key);
        let why = known.map_or("Compose has no such key", |(_, why)| why);
        self.builder.left_out(place, why);
    }

    /// Sets a text as it is.
    pub(super) fn text(&mut self, key: &str, value: &Node, place: &Place) {
        match value.text() {
            Some(text) => self.out.set(key, text, place),
            None => self.builder.not_so(place, "a text"),
        }
    }

    /// Sets a boolean where it is `wanted`, and leaves out what is the default.
    pub(super) fn flag(&mut self, key: &str, value: &Node, place: &Place) {
        match shape::boolean(value) {
            Some(true) => self.out.set(key, true, place),
            Some(false) => {}
            None => self.builder.not_so(place, "true or false"),
        }
    }

    /// Sets what `read` makes of a text.
    pub(super) fn read_text(
        &mut self,
        key: &str,
        value: &Node,
        place: &Place,
        expected: &str,
        read: impl FnOnce(&str) -> Option<toml::Value>,
    ) {
        match value.text().and_then(read) {
            Some(value) => self.out.set(key, value, place),
            None => self.builder.not_so(place, expected),
        }
    }
}
