//! Whatever a file holds, it is imported or refused: nothing panics, and every TOML is a good one.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

use orlop_import::{Files, Found, Settings, Source, import, parse_env_file};
use proptest::prelude::*;
use std::collections::BTreeMap;

struct Nothing;

impl Files for Nothing {
    fn find(&self, _: &str, _: &str) -> Found {
        Found::Missing
    }
}

fn holds(name: &str, text: String) {
    let sources = [Source {
        name: name.to_owned(),
        text,
    }];
    if let Ok(imported) = import(&sources, &Settings::default(), &Nothing) {
        orlop_config::parse("node.toml", &imported.toml).unwrap();
    }
}

/// The keys of both formats, and values that are right for some of them.
const KEYS: [&str; 44] = [
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "depends_on",
    "ports",
    "volumes",
    "networks",
    "restart",
    "healthcheck",
    "deploy",
    "secrets",
    "configs",
    "user",
    "working_dir",
    "hostname",
    "privileged",
    "cap_add",
    "cap_drop",
    "security_opt",
    "read_only",
    "tmpfs",
    "shm_size",
    "sysctls",
    "ulimits",
    "stop_signal",
    "stop_grace_period",
    "logging",
    "labels",
    "extra_hosts",
    "dns",
    "network_mode",
    "pid",
    "ipc",
    "devices",
    "group_add",
    "mem_limit",
    "memswap_limit",
    "cpus",
    "pids_limit",
    "links",
    "container_name",
];

const VALUES: [&str; 22] = [
    "x",
    "1",
    "true",
    "-1",
    "0",
    "512m",
    "1.5",
    "99999999999999999999",
    "[a, b]",
    "{a: b, c: 1}",
    "[]",
    "{}",
    "~",
    "[{source: a, target: /b, type: bind}]",
    "[a:/b:ro, ./c:/d, /e:/f, '/g']",
    "[80:80, '1-2:3-4', '[::1]:1:2/udp', {target: 1, published: 2}]",
    "{test: [CMD, x], interval: 1s, retries: -5}",
    "host",
    "service:a",
    "'a b \"c'",
    "{b: {condition: service_healthy}, c: {aliases: [a_b], ipv4_address: 10.90.1.1}}",
    "{resources: {limits: {cpus: 1e9, memory: 1k}}, restart_policy: {condition: none, max_attempts: 3}}",
];

const UNIT_KEYS: [&str; 24] = [
    "Image",
    "Exec",
    "Entrypoint",
    "Environment",
    "EnvironmentFile",
    "PublishPort",
    "Volume",
    "Mount",
    "Network",
    "NetworkAlias",
    "IP",
    "Secret",
    "User",
    "Group",
    "AddCapability",
    "HealthCmd",
    "HealthInterval",
    "HealthRetries",
    "Label",
    "Tmpfs",
    "Ulimit",
    "Sysctl",
    "AddDevice",
    "HostName",
];

const UNIT_VALUES: [&str; 14] = [
    "x",
    "1",
    "a=b",
    "/a:/b:ro",
    "a.volume:/b",
    "type=bind,src=/a,dst=/b,ro",
    "a.network:ip=1.2.3.4",
    "container:a",
    "host",
    "80:80",
    "[\"CMD\", \"a\"]",
    "%h/a:/b",
    "\"open",
    "-1",
];

proptest! {
    #[test]
    fn any_text_as_a_compose_file(text in "\\PC{0,200}") {
        holds("compose.yaml", text);
    }

    #[test]
    fn any_text_as_a_unit(text in "(\\[Container\\]\n)?(\\PC|\n){0,200}") {
        holds("a.container", text);
    }

    #[test]
    fn any_value_of_a_service(text in "\\PC{0,60}", key in prop::sample::select(&KEYS[..])) {
        holds("compose.yaml", format!("services:\n  a:\n    image: x\n    {key}: {text}\n"));
    }

    #[test]
    fn any_keys_and_values_of_services(
        pairs in prop::collection::btree_map(
            prop::sample::select(&KEYS[..]), prop::sample::select(&VALUES[..]), 0..12),
    ) {
        let lines: String = pairs.iter().map(|(key, value)| format!("    {key}: {value}\n")).collect();
        let text = format!("services:\n  a:\n{lines}  b:\n{lines}networks:\n  c:\nvolumes:\n  a:\n");
        holds("compose.yaml", text);
    }

    #[test]
    fn any_keys_and_values_of_units(
        pairs in prop::collection::vec(
            (prop::sample::select(&UNIT_KEYS[..]), prop::sample::select(&UNIT_VALUES[..])), 0..16),
    ) {
        let lines: String = pairs.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        holds("a.container", format!("[Container]\nImage=y\n{lines}"));
    }

    #[test]
    fn any_text_as_a_file_of_variables(text in "(\\PC|\n){0,200}") {
        let (found, wrong) = parse_env_file(&text, &BTreeMap::new());
        prop_assert!(found.len() + wrong.len() <= text.lines().count());
    }
}
