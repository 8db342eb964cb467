//! What containers of an emulated node use, and how they stand.

use super::qemu::{Node, SWITCH};
use orlop_api::{ContainerStats, ContainerView};
use std::time::Duration;

/// Between two samples of what a container uses.
const SAMPLE: Duration = Duration::from_secs(8);

/// Waits for a container that is as wanted.
pub(crate) fn wait_view(
    node: &Node,
    name: &str,
    wanted: impl Fn(&ContainerView) -> bool,
) -> ContainerView {
    let machine = node.0.machine();
    let found = machine.wait("a container that is so", SWITCH, || {
        let said = node.orlop(&["--json", "container", "ls"]);
        let views: Vec<ContainerView> =
            serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let view = views.into_iter().find(|view| view.name == name);
        view.filter(&wanted).ok_or(said)
    });
    found.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Waits for a line of a container's log; what follows `start` in it.
pub(crate) fn wait_log(node: &Node, name: &str, start: &str) -> String {
    let machine = node.0.machine();
    let found = machine.wait("a line of a log", SWITCH, || {
        let said = node.orlop(&["container", "logs", name]);
        let line = said.lines().find_map(|line| line.split_once(start));
        line.map(|(_, rest)| rest.to_owned()).ok_or(said)
    });
    found.unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn stats(node: &Node) -> Vec<ContainerStats> {
    let said = node.orlop(&["--json", "container", "stats"]);
    serde_json::from_str(&said).expect("stats are JSON")
}

pub(crate) fn stats_of(node: &Node, name: &str) -> ContainerStats {
    let found = stats(node).into_iter().find(|stats| stats.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// Percent of a processor that a container uses, over a while.
pub(crate) fn percent_of_processor(node: &Node, name: &str) -> u64 {
    let first = stats_of(node, name);
    // Not a wait for something to happen: the time between two samples.
    std::thread::sleep(SAMPLE);
    let second = stats_of(node, name);
    let used = second
        .cpu_usec
        .zip(first.cpu_usec)
        .map(|(to, from)| to - from);
    let percent = used.expect("a controller") * 100 / (second.at_micros - first.at_micros);
    println!("{name} uses {percent} % of a processor");
    percent
}
