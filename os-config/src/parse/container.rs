//! `[container.NAME]` and its health probe.

mod beside;
mod io;
mod ipc;
mod lifecycle;
mod lookup;
mod rights;
mod storage;
mod ties;

use super::context::{Context, Noun, Published, Tie, TieKind};
use super::network::{Publisher, attachments};
use super::node::{image, name};
use super::section::Section;
use crate::forms::{self, Problem};
use crate::limits::{MAX_PROBE, MAX_PUBLISHED, STOP_TIMES};
use crate::model::{
    Attachment, Container, Cpus, Health, HostRight, Name, NetworkMode, OciRuntime, Port, Probe,
    Process, Unhealthy,
};
use std::collections::BTreeMap;
use std::time::Duration;

const MIN_PROBE: Duration = Duration::from_millis(100);
const DEFAULT_EVERY: Duration = Duration::from_secs(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_UMASK: u32 = 0o022;
const DEFAULT_STOP: Duration = Duration::from_secs(10);

/// Those that are enabled, and the others, which have claimed no port, address or place.
pub(super) fn containers(
    cx: &mut Context,
    root: &Section<'_>,
) -> (BTreeMap<Name, Container>, BTreeMap<Name, Container>) {
    let mut out = BTreeMap::new();
    let mut disabled = BTreeMap::new();
    for (name, section) in root.named(cx, "container", name) {
        let enabled = section.boolean("enabled").unwrap_or(true);
        let claims = cx.claims();
        cx.refers_to_disabled = !enabled;
        let container = container(cx, &name, &section);
        if !enabled {
            cx.give_up(&claims);
        }
        let all = if enabled { &mut out } else { &mut disabled };
        all.extend(container.map(|container| (name, container)));
    }
    cx.refers_to_disabled = false;
    ties::report(cx, &out);
    (out, disabled)
}

fn container(cx: &mut Context, name: &Name, section: &Section<'_>) -> Option<Container> {
    let image = section.text(cx, "image", image);
    let command = words(cx, section, "command");
    report_empty_program(cx, section, "command", command.as_deref());
    let networks = attachments(cx, name, section);
    let (volumes, storage) = storage::storage(cx, section);
    let mut security = rights::security(cx, section);
    security.ipc = ipc::ipc(cx, name, section, &security);
    let lifecycle = lifecycle::lifecycle(cx, name, section);
    let network = network(
        cx,
        name,
        section,
        security.host.contains(&HostRight::Network),
    );
    beside::report(cx, name, section, (&networks, network.as_ref()), &security);
    let container = Container {
        command,
        args: words(cx, section, "args"),
        env: section.text_map(cx, "env", forms::env_name, forms::env_value),
        ports: ports(cx, name, section, &networks),
        networks,
        volumes,
        health: section
            .section(cx, "health")
            .and_then(|section| health(cx, &section)),
        restart: lifecycle::restart(section),
        memory: section.text(cx, "memory", forms::memory),
        cpus: section.number("cpus").map(thousandths),
        pids: section
            .integer("pids")
            .and_then(|pids| u32::try_from(pids).ok()),
        read_only: section.boolean("read_only").unwrap_or(false),
        process: process(cx, section),
        storage,
        lifecycle,
        lookup: lookup::lookup(cx, section, network.as_ref()),
        pull: lookup::pull(section),
        platform: lookup::platform(cx, section),
        resources: rights::resources(cx, section),
        security,
        network,
        runtime: match section.word("runtime") {
            Some("runc") => OciRuntime::Runc,
            _ => OciRuntime::Crun,
        },
        labels: section.text_map(cx, "labels", forms::label_name, forms::label_value),
        // Last, so that a missing image hides no problem of the other keys.
        image: image?,
    };
    rights::report_user_namespace(cx, section, &container);
    Some(container)
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

/// Whose network it is in. Beside another's, or none, its own keys of networks mean nothing.
fn network(
    cx: &mut Context,
    name: &Name,
    section: &Section<'_>,
    of_host: bool,
) -> Option<NetworkMode> {
    let mode = section.text(cx, "network", forms::network_mode);
    if let Some(NetworkMode::Container(other)) = &mode {
        let span = section.span_of("network");
        cx.refer(Noun::Container, other.as_str(), span.clone());
        cx.ties.push(Tie {
            span,
            from: name.clone(),
            to: other.clone(),
            how: TieKind::Network,
        });
    }
    let instead = match &mode {
        _ if of_host && mode.is_some() => {
            let problem = Problem::new("it cannot be in the host's network and in another");
            let problem = problem.help("remove `network`, or \"network\" from `host`");
            cx.report(section.span_of("network"), problem);
            return mode;
        }
        _ if of_host => "in the host's network",
        Some(NetworkMode::None) => "without a network",
        Some(NetworkMode::Container(_)) => "in another container's network",
        None => return None,
    };
    for key in ["networks", "ports"] {
        if section.has(key) {
            let problem = Problem::new(format!("`{key}` has no effect {instead}"));
            cx.report(section.span_of(key), problem.help("remove it"));
        }
    }
    mode
}

fn process(cx: &mut Context, section: &Section<'_>) -> Process {
    let list = |cx: &mut Context, key, read: fn(&str) -> Result<String, Problem>| {
        let texts = section.texts(cx, key, read).unwrap_or_default();
        texts.into_iter().map(|(_, text)| text).collect()
    };
    Process {
        env_files: storage::env_files(cx, section),
        workdir: section.text(cx, "workdir", forms::directory),
        user: section.text(cx, "user", forms::user),
        groups: list(cx, "groups", forms::group),
        stop_signal: section.text(cx, "stop_signal", forms::signal),
        stop_timeout: said(
            section.text(cx, "stop_timeout", |text| forms::duration(text, STOP_TIMES)),
            DEFAULT_STOP,
        ),
        ulimits: section.text_map(cx, "ulimits", forms::ulimit_name, forms::ulimit),
        sysctl: section.text_map(
            cx,
            "sysctl",
            forms::own_sysctl_name,
            forms::own_sysctl_value,
        ),
        hostname: section.text(cx, "hostname", forms::host_name),
        timezone: section.text(cx, "timezone", forms::timezone),
        umask: said(section.text(cx, "umask", forms::umask), DEFAULT_UMASK),
        init: section.boolean("init").unwrap_or(false),
        tty: tty(cx, section),
        stdin: section.boolean("stdin").unwrap_or(false),
    }
}

fn tty(cx: &mut Context, section: &Section<'_>) -> bool {
    let tty = section.boolean("tty").unwrap_or(false);
    let by_runc = section.word("runtime") == Some("runc");
    // It hands a terminal on only where it does not stay to wait for the program.
    if tty && by_runc && section.word("kind") == Some("task") {
        let problem = Problem::new("runc gives a task no terminal");
        let help = "remove `runtime`: crun does, or remove `tty`";
        cx.report(section.span_of("tty"), problem.help(help));
    }
    tty
}

/// What is written out as the default is as if it was left out: nothing changes by it.
fn said<T: PartialEq>(value: Option<T>, default: T) -> Option<T> {
    value.filter(|value| *value != default)
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
        unhealthy: match section.word("unhealthy") {
            Some("restart") => Unhealthy::Restart,
            Some("stop") => Unhealthy::Stop,
            _ => Unhealthy::None,
        },
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
