//! `[Container]` of a `.container` unit.

use super::unit::{Entry, Unit};
use crate::builder::Builder;
use crate::compose::capability;
use crate::draft::Table;
use crate::note::Place;
use crate::quantity;
use crate::words;
use orlop_config::{MASKED_PATHS, READ_ONLY_PATHS};
use toml::Value;

/// Keys that Orlop has nothing for, and what to do instead.
const NOT_CARRIED: [(&str, &str); 27] = [
    ("Annotation", "write a `spec_patch` with annotations"),
    ("AppArmor", "there is no AppArmor"),
    (
        "AutoUpdate",
        "images are looked for again by the agent: `[update] policy`",
    ),
    ("CgroupsMode", "each container has a cgroup of its own"),
    ("ContainersConfModule", "there is no containers.conf"),
    (
        "EnvironmentHost",
        "a container has nothing of the node's environment",
    ),
    (
        "ExposeHostPort",
        "containers of one network reach all ports of each other",
    ),
    ("GIDMap", "user namespaces are set up by Orlop"),
    ("GlobalArgs", "there is no Podman: write the key for it"),
    (
        "HealthLogDestination",
        "the log of probes is in the journal",
    ),
    ("HealthMaxLogCount", "the log of probes is in the journal"),
    ("HealthMaxLogSize", "the log of probes is in the journal"),
    ("LogOpt", "logs go to the journal: `log_limit`"),
    (
        "Pod",
        "write `network = \"container:NAME\"` to share a network",
    ),
    ("ReloadCmd", "send a signal by the program's own means"),
    ("ReloadSignal", "send a signal by the program's own means"),
    ("Retry", "pulls are tried again by the agent"),
    ("RetryDelay", "pulls are tried again by the agent"),
    ("Rootfs", "a container has an image: push one to a registry"),
    ("SecurityLabelFileType", "there is no SELinux"),
    ("SecurityLabelLevel", "there is no SELinux"),
    ("SecurityLabelNested", "there is no SELinux"),
    ("SecurityLabelType", "there is no SELinux"),
    ("StartWithPod", "there are no pods"),
    ("SubGIDMap", "user namespaces are set up by Orlop"),
    ("SubUIDMap", "user namespaces are set up by Orlop"),
    ("UIDMap", "user namespaces are set up by Orlop"),
];

/// A container while it is read.
pub(super) struct Reading<'s, 'f> {
    pub(super) builder: &'s mut Builder<'f>,
    pub(super) unit: &'s Unit,
    pub(super) units: &'s [Unit],
    pub(super) name: String,
    pub(super) out: Table,
}

/// Reads a `.container` unit.
pub(super) fn container(builder: &mut Builder<'_>, unit: &Unit, units: &[Unit]) {
    let name = builder.names.containers.given(&unit.stem);
    let name = name.unwrap_or(&unit.stem).to_owned();
    let place = unit.top();
    if unit.stem.contains('@') {
        let why = "it is a template: write a unit for each of its instances";
        return builder.left_out(&place, why);
    }
    let mut reading = Reading {
        builder: &mut *builder,
        unit,
        units,
        name: name.clone(),
        out: Table::from(&place),
    };
    reading.read();
    let out = reading.out;
    builder.root.table("container").put(&name, out);
}

impl Reading<'_, '_> {
    fn read(&mut self) {
        let place = self.unit.top();
        let first = |entry: &&Entry| entry.key == "EnvironmentFile" || entry.key == "Image";
        let entries = &self.unit.entries;
        let rest = entries.iter().filter(|entry| !first(entry));
        for entry in entries.iter().filter(first).chain(rest) {
            let place = self.unit.place(entry);
            let value = match self.unit.filled(&entry.value) {
                Ok(value) => value,
                Err(specifier) => {
                    let why =
                        format!("`{specifier}` is systemd's to fill in: write what it stands for");
                    self.builder.left_out(&place, why);
                    continue;
                }
            };
            match entry.section.as_str() {
                "Container" => self.container_key(&entry.key, &value, &place),
                "Service" => self.service_key(&entry.key, &value, &place),
                "Unit" => self.unit_key(&entry.key, &value, &place),
                // It is started with the node, whatever wants it.
                "Install" if matches!(entry.key.as_str(), "WantedBy" | "RequiredBy") => {}
                section if section.starts_with("X-") => {}
                _ => self.builder.left_out(&place, "containers have no such key"),
            }
        }
        // Quadlet's default, which is not Orlop's.
        if !self.out.has("restart") {
            self.out.set("restart", "never", &place);
        }
        self.finish_health();
        if self
            .unit
            .entries
            .iter()
            .all(|entry| entry.section != "Install")
        {
            let place = place.below(1, "Install");
            let why = "it has no [Install], and is started with the node all the same";
            self.builder.changed(&place, why);
        }
    }

    fn container_key(&mut self, key: &str, value: &str, place: &Place) {
        let known = self.process_key(key, value, place)
            || self.lookup_key(key, value, place)
            || self.rights_key(key, value, place)
            || self.mounts_key(key, value, place)
            || self.attach_key(key, value, place)
            || self.health_key(key, value, place);
        if known {
            return;
        }
        let known = NOT_CARRIED.iter().find(|(name, _)| *name == key);
        let why = known.map_or("containers have no such key", |(_, why)| why);
        self.builder.left_out(place, why);
    }

    fn process_key(&mut self, key: &str, value: &str, place: &Place) -> bool {
        match key {
            "Image" => self.out.set("image", value, place),
            "Exec" => self.words("args", value, place),
            "Entrypoint" => self.words(
                "command",
                value.trim_start_matches('[').trim_end_matches(']'),
                place,
            ),
            "Environment" => self.table("env", value, place),
            "Label" => self.table("labels", value, place),
            "EnvironmentFile" => self.env_file(value, place),
            "Sysctl" => self.table("sysctl", value, place),
            "User" => self.user(value, None, place),
            "Group" => {
                if !self.out.has("user") && self.unit.last("Container", "User").is_none() {
                    self.user("0", Some(value), place);
                }
            }
            "GroupAdd" => self.out.push("groups", value, place),
            "WorkingDir" => self.out.set("workdir", value, place),
            "HostName" => self.out.set("hostname", value, place),
            "StopSignal" => {
                let signal = value.strip_prefix("SIG").unwrap_or(value);
                self.out.set("stop_signal", format!("SIG{signal}"), place);
            }
            "StopTimeout" => self.duration("stop_timeout", value, place),
            "Timezone" if value == "local" => self.out.set("timezone", "host", place),
            "Timezone" => self.out.set("timezone", value, place),
            "Ulimit" => match value.split_once('=') {
                Some((name, limit)) => {
                    let limit = limit.replace("-1", "unlimited");
                    self.out.table("ulimits").set(name, limit, place);
                }
                None => self.builder.not_so(place, "NAME=SOFT:HARD"),
            },
            "Memory" => self.size("memory", value, place),
            "PidsLimit" => self.number("pids", value, place),
            "PodmanArgs" => self.podman_args(value, place),
            "ContainerName" | "ServiceName" => {}
            "LogDriver" if matches!(value, "journald" | "passthrough" | "k8s-file") => {
                self.builder.changed(place, "logs go to the journal");
            }
            "LogDriver" => {
                let why = format!("there is no log driver `{value}`: logs go to the journal");
                self.builder.left_out(place, why);
            }
            _ => return false,
        }
        true
    }

    fn lookup_key(&mut self, key: &str, value: &str, place: &Place) -> bool {
        match key {
            "DNS" if value == "none" => {
                let why = "containers have name servers: name them in `dns`";
                self.builder.left_out(place, why);
            }
            "DNS" => self.out.push("dns", value, place),
            "DNSSearch" => self.out.push("dns_search", value, place),
            "DNSOption" => self.out.push("dns_options", value, place),
            "AddHost" => match value.split_once(':') {
                // Several names may have one address.
                Some((names, address)) => {
                    for name in names.split(';') {
                        let name = name.to_ascii_lowercase();
                        self.out.table("hosts").set(&name, address, place);
                    }
                }
                None => self.builder.not_so(place, "NAME:ADDRESS"),
            },
            "Pull" if value == "always" || value == "newer" => {}
            "Pull" => self.out.set("pull", value, place),
            _ => return false,
        }
        true
    }

    fn rights_key(&mut self, key: &str, value: &str, place: &Place) -> bool {
        let on = quantity::boolean(value);
        match key {
            "AddCapability" | "DropCapability" => {
                let list = if key == "AddCapability" {
                    "add"
                } else {
                    "drop"
                };
                for word in value.split_whitespace() {
                    let table = self.out.table("capabilities");
                    table.push(list, capability(word), place);
                }
            }
            // Orlop's default, and Podman's other one.
            "NoNewPrivileges" if on == Some(false) => {
                self.out.set("no_new_privileges", false, place);
            }
            "NoNewPrivileges" | "SecurityLabelDisable" => {}
            "ReadOnly" if on == Some(true) => self.out.set("read_only", true, place),
            "RunInit" if on == Some(true) => self.out.set("init", true, place),
            "ReadOnly" | "ReadOnlyTmpfs" | "RunInit" | "HttpProxy" if on == Some(false) => {}
            "ReadOnlyTmpfs" => {
                let why = "name the paths that have to be writable in `Tmpfs=`";
                self.builder.left_out(place, why);
            }
            "Mask" => value
                .split(':')
                .for_each(|path| self.out.push("mask", path, place)),
            "Unmask" if value.eq_ignore_ascii_case("all") => {
                for path in MASKED_PATHS.iter().chain(&READ_ONLY_PATHS) {
                    self.out.push("unmask", *path, place);
                }
            }
            "Unmask" => value
                .split(':')
                .for_each(|path| self.out.push("unmask", path, place)),
            "SeccompProfile" if value == "unconfined" => self.out.set("seccomp", "off", place),
            "SeccompProfile" => {
                let why = "the filter is Orlop's own: write a `spec_patch` with linux.seccomp";
                self.builder.left_out(place, why);
            }
            "UserNS" if value == "host" => self.out.set("userns", value, place),
            // As it is without a word.
            "UserNS" if value == "auto" => {}
            "UserNS" => {
                let why = "which ids a container has is the agent's choice";
                self.builder.left_out(place, why);
            }
            _ => return false,
        }
        true
    }

    fn user(&mut self, value: &str, group: Option<&str>, place: &Place) {
        let entry = self.unit.last("Container", "Group");
        let group = group.or(entry.map(|entry| entry.value.as_str()));
        let user = match group {
            Some(group) if !value.contains(':') => format!("{value}:{group}"),
            _ => value.to_owned(),
        };
        self.out.set("user", user, place);
    }

    fn words(&mut self, key: &str, value: &str, place: &Place) {
        match words::split(value) {
            Some(words) => self.out.set(key, words, place),
            None => self.builder.not_so(place, "a line with its quotes closed"),
        }
    }

    /// `NAME=VALUE`, several on a line, each with or without quotes.
    fn table(&mut self, key: &str, value: &str, place: &Place) {
        let Some(words) = words::split(value) else {
            return self.builder.not_so(place, "a line with its quotes closed");
        };
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => {
                    let place = place.below(place.line, name);
                    self.out.table(key).set(name, value, &place);
                }
                None => {
                    let why = format!("`{word}` has no value");
                    self.builder.left_out(place, why);
                }
            }
        }
    }

    pub(super) fn duration(&mut self, key: &str, value: &str, place: &Place) {
        match quantity::duration(value) {
            Some(time) => self.out.set(key, time, place),
            None => self.builder.not_so(place, "a duration"),
        }
    }

    pub(super) fn size(&mut self, key: &str, value: &str, place: &Place) {
        match quantity::size(value) {
            Some(size) => self.out.set(key, size, place),
            None => self.builder.not_so(place, "a size"),
        }
    }

    pub(super) fn number(&mut self, key: &str, value: &str, place: &Place) {
        match value.parse::<i64>() {
            // Podman's and systemd's word for none.
            Ok(-1) => {}
            Ok(number) => self.out.set(key, Value::from(number), place),
            Err(_) => self.builder.not_so(place, "a number"),
        }
    }
}
