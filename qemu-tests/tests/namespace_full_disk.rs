//! Nodes whose disk is full, on small file systems of their own.

#[cfg(test)]
mod rig;

use orlop_api::{FaultKind, GenerationStatus, JobState, Phase};
use orlop_machines::layout::{ImageCommand, ImageFile, LayoutWriter};
use rig::built::image_of;
use rig::node::{Rig, os_layout};
use rig::small_disk::SmallDisk;
use serde_json::json;

const MIB: u64 = 1 << 20;
/// Room for the store of a node, and more.
const STATE_BYTES: u64 = 512 * MIB;
/// Room for several UKIs.
const ESP_BYTES: u64 = 192 * MIB;
/// What is free on a full disk: less than an OS image is, or a UKI.
const LEFT: u64 = 8 * MIB;
/// Files of the image that fits as it comes but not unpacked, and their size.
const BIG_FILES: u8 = 3;
const BIG_BYTES: u64 = 8 * MIB;
/// What a journal and the like may take or give back meanwhile.
const SLACK: u64 = MIB;
/// Like a state partition: without blocks that only root may use.
const EXT4: [&str; 5] = ["mkfs.ext4", "-q", "-F", "-m", "0"];

#[test]
fn a_full_state_partition_fails_a_stage_gives_its_space_back_and_harms_nothing() {
    let rig = Rig::new();
    rig.push_os("2");
    let disk = SmallDisk::new(&rig.dir("full/state"), STATE_BYTES, &EXT4);
    let node = rig.node("full", "1", &rig.config("1"));
    node.wait_idle();
    let before = node.records();

    // An image that does not fit is refused before it is fetched.
    disk.fill(LEFT);
    let image = rig.image("orlop/os:2");
    let stage = node.orlop(&["update", "stage", &image]);
    let built = image_of(&os_layout(), "2");
    let start = format!(
        "error: cannot keep {image}@{}: no space left in /state/store/orlop/partial (about ",
        built.manifest
    );
    let end = " MiB more were needed)\n\
        hint: nothing of it is kept; make room on the node's state partition (fewer containers or \
        volumes in its TOML, or a bigger disk), and try again\n";
    let needed = stage.error().strip_prefix(&start);
    let needed = needed.and_then(|rest| rest.strip_suffix(end));
    let needed: u64 = needed
        .and_then(|mib| mib.parse().ok())
        .unwrap_or_else(|| panic!("{stage:?}"));
    let expected = (built.layers[0].size_bytes - LEFT) / MIB;
    assert!(needed.abs_diff(expected) <= 2, "{needed}, not {expected}");
    assert_eq!(stage.code, Some(4));
    let why = node.why().not_newer.unwrap_or_default();
    assert!(why.contains("no space left in /state/store"), "{why}");
    disk.make_room();

    // One that fits until it is unpacked leaves nothing behind.
    let layout = rig.dir("big");
    let files: Vec<_> = (0..BIG_FILES).map(big_file).collect();
    let mut writer = LayoutWriter::create(&layout).unwrap();
    let big = writer.add("1", &files, &ImageCommand::default()).unwrap();
    rig.registry.push(&layout, "1", "test/big").unwrap();
    let big_image = rig.image("test/big:1");
    let toml = format!(
        "{}\n[container.big]\nimage = \"{big_image}\"\n",
        rig.config("1")
    );
    disk.fill(u64::from(BIG_FILES) * BIG_BYTES + 3 * BIG_BYTES / 2);
    let free = disk.free();
    let ended = node.end_of("/v1/update/stage", &json!({ "config": toml }));
    let JobState::Failed { fault } = &ended.state else {
        panic!("{ended:?}")
    };
    let expected = format!("cannot keep {big_image}@{big}: no space left in /state/store");
    assert_eq!(
        (fault.kind, &fault.message),
        (FaultKind::Transient, &expected)
    );
    let now = disk.free();
    assert!(
        now.abs_diff(free) <= SLACK,
        "{free} bytes were free, now {now}"
    );
    assert_eq!(node.records(), before);
    let status = node.wait_idle();
    assert_eq!((status.staged, status.current.unwrap().id), (None, 1));
    assert_eq!(node.wait_web("/"), "hello from 1\n");

    disk.make_room();
    node.job("/v1/update/stage", &json!({ "config": toml }));
    let staged = node.status().staged.unwrap();
    assert_eq!(staged.status, GenerationStatus::Staged);
    assert_eq!(staged.containers["big"].manifest, big);
}

fn big_file(number: u8) -> ImageFile {
    // Each block differs from all others, as far as a store can tell.
    let content = (0..BIG_BYTES / 8).flat_map(|at| (at << 8 | u64::from(number)).to_le_bytes());
    ImageFile {
        path: format!("big-{number}"),
        mode: 0o644,
        content: content.collect(),
    }
}

#[test]
fn a_full_esp_refuses_a_switch_before_anything_is_written_and_takes_it_when_there_is_room() {
    let rig = Rig::new();
    rig.push_os("2");
    let disk = SmallDisk::new(&rig.dir("esp/efi"), ESP_BYTES, &EXT4);
    let node = rig.node("esp", "1", &rig.config("1"));
    node.wait_idle();
    node.job(
        "/v1/update/stage",
        &json!({ "os": rig.image("orlop/os:2") }),
    );
    disk.fill(LEFT);
    let (before, free) = (node.records(), disk.free());
    let start = "error: cannot write the UKI of generation 2 to the ESP: it needs ";
    let end = format!(
        " bytes with its reserve, there is room for {free}\n\
         hint: nothing was written; remove what is not the node's from its ESP, or give it a \
         bigger one, and try again\n"
    );
    for apply in [&["update", "apply", "--dry-run"][..], &["update", "apply"]] {
        let said = node.orlop(apply);
        let needed = said.err.strip_prefix(start);
        let needed = needed.and_then(|rest| rest.strip_suffix(&end));
        let needed: u64 = needed
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or_else(|| panic!("{said:?}"));
        assert!(needed > LEFT, "{needed}");
        assert_eq!((said.code, said.out.as_str()), (Some(4), ""));
        assert_eq!(node.records(), before);
    }
    let status = node.status();
    assert_eq!((status.phase, status.current.unwrap().id), (Phase::Idle, 1));
    assert_eq!(status.staged.unwrap().id, 2);

    disk.make_room();
    let plan = node.orlop(&["update", "apply", "--dry-run"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    assert!(plan.out.contains("generation 2"), "{plan:?}");
}
