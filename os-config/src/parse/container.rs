//! `[container.NAME]` and its health probe.

use super::context::{Context, Noun, Published};
use super::network::{Publisher, attachments};
use super::node::{image, name};
use super::section::Section;
use crate::forms::{self, Problem};
use crate::limits::{MAX_PROBE, MAX_PUBLISHED};
use crate::model::{Attachment, Container, Cpus, Health, Name, Port, Probe, Restart, VolumeMount};
use std::collections::BTreeMap;
use std::time::Duration;

const MIN_PROBE: Duration = Duration::from_millis(100);
const DEFAULT_EVERY: Duration = Duration::from_secs(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_RETRIES: u32 = 3;

pub(super) fn containers(cx: &mut Context, root: &Section<'_>) -> BTreeMap<Name, Container> {
    let mut out = BTreeMap::new();
    for (name, section) in root.named(cx, "container", name) {
        if let Some(container) = container(cx, &name, &section) {
            out.insert(name, container);
        }
    }
    out
}

fn container(cx: &mut Context, name: &Name, section: &Section<'_>) -> Option<Container> {
    let image = section.text(cx, "image", image);
    let command = words(cx, section, "command");
    report_empty_program(cx, section, "command", command.as_deref());
    let networks = attachments(cx, name, section);
    Some(Container {
        command,
        args: words(cx, section, "args"),
        env: section.text_map(cx, "env", forms::env_name, forms::env_value),
        ports: ports(cx, name, section, &networks),
        networks,
        volumes: volumes(cx, section),
        health: section
            .section(cx, "health")
            .and_then(|section| health(cx, &section)),
        restart: match section.word("restart") {
            Some("on-failure") => Restart::OnFailure,
            Some("never") => Restart::Never,
            _ => Restart::Always,
        },
        memory: section.text(cx, "memory", forms::memory),
        cpus: section.number("cpus").map(thousandths),
        pids: section
            .integer("pids")
            .and_then(|pids| u32::try_from(pids).ok()),
        read_only: section.boolean("read_only").unwrap_or(false),
        // Last, so that a missing image hides no problem of the other keys.
        image: image?,
    })
}

fn words(cx: &mut Context, section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    let words = section.texts(cx, key, forms::env_value)?;
    Some(words.into_iter().map(|(_, word)| word).collect())
}

fn report_empty_program(
    cx: &mut Context,
    section: &Section<'_>,
    key: &str,
    words: Option<&[String]>,
) {
    if words
        .and_then(|words| words.first())
        .is_some_and(String::is_empty)
    {
        let problem = Problem::new(format!("the program of `{key}` is empty"))
            .help("the first string names the program");
        cx.report(section.span_of(key), problem);
    }
}

fn ports(
    cx: &mut Context,
    name: &Name,
    section: &Section<'_>,
    networks: &[Attachment],
) -> Vec<Port> {
    let ports = section.texts(cx, "ports", forms::port).unwrap_or_default();
    for (span, port) in &ports {
        let holder = format!("container `{name}`");
        cx.published.push(Published {
            span: span.clone(),
            holder,
            port: *port,
        });
    }
    let count: usize = ports.iter().map(|(_, port)| usize::from(port.count)).sum();
    if count > MAX_PUBLISHED {
        let problem = Problem::new(format!("{count} ports are published"));
        cx.report(
            section.span_of("ports"),
            problem.help(format!("a container publishes at most {MAX_PUBLISHED}")),
        );
    }
    if !ports.is_empty() {
        cx.publishers.push(Publisher {
            span: section.span_of("ports"),
            nets: networks.iter().map(|one| one.net.clone()).collect(),
        });
    }
    ports.into_iter().map(|(_, port)| port).collect()
}

fn volumes(cx: &mut Context, section: &Section<'_>) -> Vec<VolumeMount> {
    let mut taken: BTreeMap<String, Name> = BTreeMap::new();
    let mounts = section
        .texts(cx, "volumes", forms::volume_mount)
        .unwrap_or_default();
    for (span, mount) in &mounts {
        cx.refer(Noun::Volume, mount.volume.as_str(), span.clone());
        if let Some(other) = taken.insert(mount.path.clone(), mount.volume.clone()) {
            let message = format!("volume `{other}` is mounted on `{}` already", mount.path);
            let problem = Problem::new(message).help("mount each volume on a path of its own");
            cx.report(span.clone(), problem);
        }
    }
    mounts.into_iter().map(|(_, mount)| mount).collect()
}

/// In thousandths, rounded. The cast saturates; what is out of range has been reported.
fn thousandths(cpus: f64) -> Cpus {
    Cpus((cpus * 1000.0).round() as u32)
}

fn health(cx: &mut Context, section: &Section<'_>) -> Option<Health> {
    let mut time = |key, least, default| {
        section
            .text(cx, key, |text| forms::duration(text, least..=MAX_PROBE))
            .unwrap_or(default)
    };
    let every = time("every", MIN_PROBE, DEFAULT_EVERY);
    let timeout = time("timeout", MIN_PROBE, DEFAULT_TIMEOUT);
    let start = time("start", Duration::ZERO, Duration::ZERO);
    let retries = section
        .integer("retries")
        .and_then(|retries| u32::try_from(retries).ok());
    Some(Health {
        every,
        timeout,
        retries: retries.unwrap_or(DEFAULT_RETRIES),
        start,
        probe: probe(cx, section)?,
    })
}

fn probe(cx: &mut Context, section: &Section<'_>) -> Option<Probe> {
    let exec = words(cx, section, "exec");
    report_empty_program(cx, section, "exec", exec.as_deref());
    let http = section.text(cx, "http", forms::own_port_path);
    let tcp = section
        .integer("tcp")
        .and_then(|port| u16::try_from(port).ok());
    exec.map(Probe::Exec)
        .or_else(|| http.map(|(port, path)| Probe::Http { port, path }))
        .or_else(|| tcp.map(Probe::Tcp))
}
