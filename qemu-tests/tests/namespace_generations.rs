//! Generations on a node of the real OS image: what they differ in, which stay, and what becomes of the
//! room that the others took.

#[cfg(test)]
mod rig;

use orlop_api::{Change, Diff, GenerationView};
use orlop_machines::layout::{ImageCommand, ImageFile, LayoutWriter};
use rig::node::{Node, READY, Rig};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const BIG_BYTES: u64 = 8 << 20;
/// What a journal and the records of generations may take meanwhile.
const SLACK: u64 = 1 << 20;
/// Bytes of a block in `st_blocks` (stat(2)).
const BLOCK: u64 = 512;

/// Bytes that a folder takes on its disk.
fn taken(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).map(|entries| entries.flatten().collect());
    let entries: Vec<fs::DirEntry> = entries.unwrap_or_default();
    let sizes = entries.iter().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => taken(&entry.path()),
        Ok(data) => data.blocks() * BLOCK,
        Err(_) => 0,
    });
    sizes.sum()
}

fn switch(node: &Node<'_>, toml: &str, generation: u64) {
    node.switch("/v1/config/apply", &json!({ "config": toml }));
    let verdict = node.wait_verdict(generation);
    assert!(verdict.good, "{verdict:?}\n{}", node.journal());
    node.wait_idle();
}

fn listed(node: &Node<'_>) -> Vec<(u64, bool)> {
    let list = node.api().get::<Vec<GenerationView>>("/v1/generations");
    let list = list.unwrap_or_default();
    list.iter().map(|one| (one.id, one.pinned)).collect()
}

#[test]
fn the_staged_generation_differs_in_what_was_changed_and_nothing_else() {
    let rig = Rig::new();
    rig.push_os("2");
    let node = rig.node("diff", "1", &rig.config("1"));
    node.wait_idle();
    assert_eq!(
        node.orlop(&["diff"]).err,
        "error: cannot compare: no generation is staged\nhint: `orlop update stage` stages one; \
         `orlop diff A B` compares any two on record\n"
    );
    let toml = format!("{}\n[host]\nname = \"other\"\n", rig.config("2"));
    let stage = json!({ "os": rig.image("orlop/os:2"), "config": toml });
    node.job("/v1/update/stage", &stage);

    let diff: Diff = node.api().get("/v1/diff?files=true").unwrap();
    assert_eq!((diff.from, diff.to), (1, 2));
    let os = diff.os.unwrap();
    assert_eq!(os.to.version.as_deref(), Some("2"));
    assert!(!os.kernel, "images of one build have one kernel");
    assert_eq!(os.packages, Some(vec![]), "both are of the same packages");
    let files = os.files.unwrap();
    let named = |path: &str| files.list.iter().find(|file| file.path == path);
    let release = named("/usr/lib/os-release").unwrap();
    assert_eq!(release.change, Change::Changed);
    assert_eq!(named("/usr/bin/crun"), None);
    assert_eq!(
        files.list.len() as u64,
        files.added + files.removed + files.changed
    );
    let keys: Vec<_> = diff.config.iter().map(|key| key.key.as_str()).collect();
    assert_eq!(keys, ["container.web.image", "host.name"]);
    let containers: Vec<_> = diff
        .containers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(containers, ["web"]);

    let said = node.orlop(&["diff"]);
    assert!(said.out.contains("os  1 -> 2\n"), "{said:?}");
    assert!(said.out.contains("packages: 0 differ\n"), "{said:?}");
    let nothing = node.orlop(&["diff", "1", "1"]);
    assert_eq!(
        nothing.out,
        "generation 1 -> generation 1\nnothing differs\n"
    );
    let packages = node.read("/usr/share/orlop/packages.json");
    assert!(
        packages.contains("{\"name\":\"systemd\",\"version\":\"257"),
        "{packages}"
    );
}

#[test]
fn a_generation_beyond_those_to_keep_gives_its_room_back_unless_it_is_pinned() {
    let rig = Rig::new();
    let layout = rig.dir("big");
    let content = (0..BIG_BYTES / 8).flat_map(|at| (at << 8 | 7).to_le_bytes());
    let file = ImageFile {
        path: "big".to_owned(),
        mode: 0o644,
        content: content.collect(),
    };
    let mut writer = LayoutWriter::create(&layout).unwrap();
    writer.add("1", &[file], &ImageCommand::default()).unwrap();
    rig.registry.push(&layout, "1", "test/big").unwrap();
    let toml = |host: &str| {
        let base = rig.config("1");
        let rest = "[[gate.check]]\ncontainer = \"web\"\n[generations]\nkeep = 2\n";
        format!("{base}{rest}[host]\nname = \"{host}\"\n")
    };
    let node = rig.node("keep", "1", &toml("one"));
    node.wait_idle();
    let store = node.machine.dir().join("state/store");

    let image = rig.image("test/big:1");
    let big = format!("[container.big]\nimage = \"{image}\"\nrestart = \"never\"\n");
    switch(&node, &format!("{}{big}", toml("two")), 2);
    assert_eq!(node.orlop(&["generations", "pin", "2"]).code, Some(0));
    let staged = node.orlop(&["generations", "pin", "9"]);
    assert_eq!(staged.code, Some(7), "{staged:?}");
    switch(&node, &toml("three"), 3);
    switch(&node, &toml("four"), 4);
    assert_eq!(listed(&node), [(4, false), (3, false), (2, true)]);
    let with_big = taken(&store);

    // What is pinned can be gone back to, whole.
    let back = node.orlop(&["rollback", "--to", "2", "--dry-run"]);
    assert!(back.out.contains("container big is new"), "{back:?}");

    assert_eq!(node.orlop(&["generations", "unpin", "2"]).code, Some(0));
    switch(&node, &toml("five"), 5);
    assert_eq!(listed(&node), [(5, false), (4, false)]);
    // The store is freed after the verdict, beside everything else.
    let freed = node.machine.wait("room in the store", READY, || {
        let without = taken(&store);
        if without + BIG_BYTES <= with_big + SLACK {
            Ok(())
        } else {
            Err(format!("{with_big} bytes before, {without} after"))
        }
    });
    freed.unwrap_or_else(|error| panic!("{error}"));
    let records = node.machine.dir().join("state/orlop");
    let left = |folder: &str| fs::read_dir(records.join(folder)).unwrap().count();
    assert_eq!((left("generations"), left("configs")), (2, 2));
    assert_eq!(node.wait_web("/"), "hello from 1\n");
}
