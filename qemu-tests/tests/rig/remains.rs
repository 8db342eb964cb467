//! What containers leave on a node: what there is of each kind, before and after.

use super::containers::outside;
use super::node::{Node, SWITCH};
use orlop_api::GenerationView;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Kills the agent, and waits until the next one answers.
pub(crate) fn kill_agent(node: &Node<'_>) {
    let killed = node.kill_agent("");
    // systemd gives an agent up that ends five times in ten minutes; that is not what is tested.
    node.run(&["systemctl", "reset-failed", "orlopd.service"]);
    node.wait_agent(&killed);
    node.wait_status("an agent that answers", |_| true);
}

/// Whether the agent has a generation on record.
pub(crate) fn is_on_record(node: &Node<'_>, generation: u64) -> bool {
    let list: Vec<GenerationView> = node.api().get("/v1/generations").unwrap();
    list.iter().any(|view| view.id == generation)
}

/// What is there of each kind, once nothing changes any more.
pub(crate) fn settled(node: &Node<'_>) -> Vec<(&'static str, BTreeSet<String>)> {
    let mut last = remains(node);
    let same = node.machine.wait("a node that stands still", SWITCH, || {
        let now = remains(node);
        let same = now == last;
        let changed = format!("{last:?}\n{now:?}");
        last = now;
        if same { Ok(()) } else { Err(changed) }
    });
    same.unwrap_or_else(|error| panic!("{error}"));
    last
}

fn remains(node: &Node<'_>) -> Vec<(&'static str, BTreeSet<String>)> {
    let text = |text: String| text.lines().map(str::to_owned).collect();
    let lines = |command: &[&str]| text(node.run(command));
    let below = |paths: &[&str]| {
        let mut found = BTreeSet::new();
        for path in paths {
            files(&outside(node, path), path, &mut found);
        }
        found
    };
    vec![
        ("zombies", zombies(node)),
        ("mounts", mounts(node)),
        (
            "control groups",
            below(&["/sys/fs/cgroup"])
                .into_iter()
                .filter(|path| path.contains("orlop-"))
                .filter(|path| !path.contains("cgroup."))
                .collect(),
        ),
        ("named network namespaces", below(&["/run/netns"])),
        ("network namespaces", namespaces(node)),
        ("links", below(&["/sys/class/net"])),
        ("rules", lines(&["nft", "list", "ruleset"])),
        (
            "units",
            lines(&[
                "systemctl",
                "list-units",
                "--all",
                "--plain",
                "--no-legend",
                "--full",
                "orlop-container*",
            ]),
        ),
        (
            "files",
            below(&[
                "/run/orlop",
                "/run/systemd/system",
                "/run/systemd/transient",
                "/state/orlop",
                "/state/containers",
                "/state/volumes",
                "/var/lib/systemd/timers",
            ])
            .into_iter()
            .filter(|path| !is_history(path))
            .collect(),
        ),
        ("leases", text(node.read_state("orlop/leases.json"))),
    ]
}

/// Records of generations come, and go by themselves.
fn is_history(path: &str) -> bool {
    let history = ["generations/", "configs/", "verdicts/"];
    let record = path.strip_prefix("/state/orlop/");
    record.is_some_and(|record| history.iter().any(|dir| record.starts_with(dir)))
}

/// The processes of the node that have ended and that nobody has asked for.
fn zombies(node: &Node<'_>) -> BTreeSet<String> {
    let entries = fs::read_dir(outside(node, "/proc")).unwrap();
    let texts = entries.filter_map(|entry| {
        // One that is gone by now is none.
        fs::read_to_string(entry.ok()?.path().join("status")).ok()
    });
    texts.filter(|text| text.contains("\nState:\tZ")).collect()
}

/// The network namespaces that processes of the node are in.
fn namespaces(node: &Node<'_>) -> BTreeSet<String> {
    let entries = fs::read_dir(outside(node, "/proc")).unwrap();
    let links = entries.filter_map(|entry| {
        let link = fs::read_link(entry.ok()?.path().join("ns/net")).ok()?;
        Some(link.display().to_string())
    });
    links.collect()
}

fn mounts(node: &Node<'_>) -> BTreeSet<String> {
    let init = node.machine.status().unwrap().init.unwrap();
    let text = fs::read_to_string(format!("/proc/{init}/mountinfo")).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(str::to_owned)
        .collect()
}

/// Every path below a folder, without what is mounted as a container's root.
fn files(at: &Path, name: &str, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(at) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !path.ends_with("/rootfs") {
            files(&entry.path(), &path, found);
        }
        found.insert(path);
    }
}
