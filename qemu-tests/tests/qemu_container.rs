//! What only a kernel with its own control groups shows of containers.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerDetail, ContainerState};
use rig::limits::{percent_of_processor, stats_of, wait_view};
use rig::qemu::{Node, QemuRig, expect_good};
use std::fs;

/// Tasks of the sample app itself, and of its OCI runtime.
const OWN_TASKS: u32 = 24;
const LIMIT: u32 = 64;
const TOKEN: &str = "from the machine's own credentials";

#[test]
fn a_container_has_its_credential_and_cannot_take_more_than_its_limits_nor_open_a_device_it_made() {
    let mut rig = QemuRig::new();
    let token = rig.path("token");
    fs::write(&token, TOKEN).unwrap();
    let credential = "orlop.secret.token".to_owned();
    rig.credentials.insert(credential, token);
    let node = rig.boot(&rig.disk());
    let started = node.wait_web("/started").body;
    let made = checks::fork_without_end(&node);
    println!("without a limit of its own: {made} tasks");
    // With fs-verity, on the image's kernel: its root is nobody on the host.
    let map = node.wait_web("/file/proc/self/uid_map").body;
    let map: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(map, ["0", "524288", "65536"]);
    assert!(made > LIMIT, "{made}");
    expect_good(&node.wait_idle(), 1, "1");
    assert_eq!(node.wait_web("/started").body, started);

    let keys = format!(
        "pids = {LIMIT}\noom_score_adj = -250\ncapabilities = {{ add = [\"mknod\"] }}\n\
         secrets = {{ \"/run/token\" = \"token\" }}\n"
    );
    let secret = "[secret.token]\nfrom = \"credential\"\n";
    let image = rig.image("test/app", "1");
    let wasteful = |name: &str, what: &str, limit: &str| {
        format!(
            "[container.{name}]\nimage = \"{image}\"\nessential = false\nrestart = \"never\"\n{limit}\n\
             args = [\"--waste\", \"{what}\"]\n"
        )
    };
    let greedy = wasteful("greedy", "memory", "memory = \"32 MiB\"");
    let busy = wasteful("busy", "processor", "cpus = 0.5");
    let volumes = volumes::toml(&rig, "4 MiB", "");
    let slow = format!(
        "[container.slow]\nimage = \"{image}\"\nessential = false\n\
         io = {{ \"/dev/vda\" = {{ write = \"1 MiB/s\" }} }}\nvolumes = [\"slow:/data\"]\n[volume.slow]\n"
    );
    let all = [secret, &greedy, &busy, &slow, &volumes];
    let config = rig.config_file_with(&keys, &all.concat());
    node.orlop(&["config", "apply", config.to_str().unwrap()]);
    let status = node.wait_status("generation 2", |status| {
        status.trial.is_none() && status.current.as_ref().is_some_and(|view| view.id == 2)
    });
    expect_good(&status, 2, "1");
    let made = checks::fork_without_end(&node);
    println!("of {LIMIT}: {made} tasks");
    assert_eq!(node.wait_web("/file/run/token").body, TOKEN);
    let device = node.wait_web("/try/device");
    let refused = "made, but not opened: Operation not permitted";
    assert!(device.body.starts_with(refused), "{}", device.body);
    assert!((LIMIT - OWN_TASKS..LIMIT).contains(&made), "{made}");
    let adjust = node.wait_web("/file/proc/self/oom_score_adj").body;
    assert_eq!(adjust, "-250\n");
    memory_is_limited(&node);
    let percent = percent_of_processor(&node, "busy");
    assert!((20..60).contains(&percent), "{percent}");
    volumes::are_written_no_faster_than_the_disks_limit(&node);
    expect_good(&node.wait_idle(), 2, "1");
    volumes::hold_no_more_than_their_size(&rig, &node);
    volumes::change_their_size_while_they_are_used(&rig, &node);
    volumes::keep_their_size_over_a_restart(&node);
}

/// The one that takes too much is killed and says so; nobody else notices.
fn memory_is_limited(node: &Node) {
    let greedy = wait_view(node, "greedy", |view| view.state == ContainerState::Exited);
    assert_eq!(greedy.detail, "out of memory: killed by the kernel");
    let detail = node.orlop(&["--json", "container", "inspect", "greedy"]);
    let detail: ContainerDetail = serde_json::from_str(&detail).expect("a container is JSON");
    assert_eq!(detail.last_exit.as_deref(), Some("out of memory"));
    assert_eq!(stats_of(node, "web").oom_kills, Some(0));
    assert_eq!(stats_of(node, "web").pids_max, Some(u64::from(LIMIT)));
}

/// What the scenario looks at.
#[cfg(test)]
mod checks {
    use super::rig::qemu::Node;

    /// How many tasks `web` could make.
    pub(super) fn fork_without_end(node: &Node) -> u32 {
        let answer = node.wait_web("/try/fork");
        let refused = "Resource temporarily unavailable (os error 11): after ";
        let made = answer.body.strip_prefix(refused);
        let made = made.and_then(|rest| rest.strip_suffix(" tasks\n")?.parse().ok());
        made.unwrap_or_else(|| panic!("{}: {}", answer.status, answer.body))
    }
}

/// Volumes with a size, and their neighbour.
#[cfg(test)]
mod volumes {
    use super::rig::limits::wait_view;
    use super::rig::qemu::{Node, QemuRig, SWITCH, expect_good};
    use orlop_api::{ContainerState, VolumeView};
    use std::process::Command;
    use std::time::{Duration, Instant};

    const MIB: u64 = 1 << 20;
    /// What the sample app fills a file with, where it may.
    const FULL: &str = "16777216 bytes\n";
    const REFUSED: &str = " bytes, then: Disk quota exceeded (os error 122)\n";

    /// Two containers with a volume each.
    pub(super) fn toml(rig: &QemuRig, small: &str, of_roomy: &str) -> String {
        let image = rig.image("test/app", "1");
        let container = |name: &str| {
            format!(
                "[container.{name}]\nimage = \"{image}\"\nessential = false\n\
                 volumes = [\"{name}:/data\"]\n"
            )
        };
        format!(
            "{}{}[volume.small]\nsize = \"{small}\"\n[volume.roomy]\n{of_roomy}\n",
            container("small"),
            container("roomy")
        )
    }

    fn fill(node: &Node, container: &str, file: &str) -> String {
        let file = format!("/data/{file}");
        let exec = [
            "container",
            "exec",
            container,
            "--",
            "/app",
            "--fill",
            &file,
        ];
        let said = node.orlop(&exec);
        println!("{container}: {said}");
        said
    }

    /// How many bytes a container could write before it was refused more.
    fn refused_after(node: &Node, container: &str, file: &str) -> u64 {
        let said = fill(node, container, file);
        let written = said
            .strip_suffix(REFUSED)
            .and_then(|bytes| bytes.parse().ok());
        written.unwrap_or_else(|| panic!("{said}"))
    }

    /// 16 MiB at 1 MiB a second, next to a container without a limit.
    pub(super) fn are_written_no_faster_than_the_disks_limit(node: &Node) {
        let [slow, free] = ["slow", "roomy"].map(|name| {
            wait_view(node, name, |view| view.state == ContainerState::Running);
            let begun = Instant::now();
            assert_eq!(fill(node, name, "a"), FULL);
            begun.elapsed()
        });
        println!("16 MiB take {slow:?} at 1 MiB a second, and {free:?} without a limit");
        assert!(slow >= Duration::from_secs(12) && free < slow / 2);
    }

    fn volume(node: &Node, name: &str) -> VolumeView {
        let said = node.orlop(&["--json", "volume", "ls"]);
        let views: Vec<VolumeView> = serde_json::from_str(&said).unwrap();
        let view = views.into_iter().find(|view| view.name == name);
        view.unwrap_or_else(|| panic!("{name}: {said}"))
    }

    fn pids(node: &Node) -> [Option<u32>; 2] {
        ["small", "roomy"]
            .map(|name| wait_view(node, name, |view| view.state == ContainerState::Running).pid)
    }

    pub(super) fn hold_no_more_than_their_size(rig: &QemuRig, node: &Node) {
        pids(node);
        let written = refused_after(node, "small", "a");
        assert!((3 * MIB..4 * MIB).contains(&written), "{written}");
        assert_eq!(fill(node, "roomy", "a"), FULL);
        let small = volume(node, "small");
        assert_eq!(small.limit_bytes, Some(4 * MIB));
        let counted = small.counted_bytes.unwrap();
        assert!((written..=4 * MIB).contains(&counted), "{counted}");
        assert_eq!(volume(node, "roomy").limit_bytes, None);

        // Nor does anything larger come in.
        let tar = rig.path("roomy.tar");
        let tar = tar.to_str().unwrap();
        node.orlop(&["volume", "export", "roomy", "-o", tar]);
        node.orlop(&["container", "stop", "small"]);
        let import = ["volume", "import", "small", tar, "--replace"];
        let said = node.0.orlop(&import).unwrap();
        assert_eq!(said.code, Some(6), "{said:?}");
        assert!(said.talk.contains(", and may hold 4 MiB"), "{said:?}");
        assert_eq!(volume(node, "small").counted_bytes, Some(counted));
        node.orlop(&["container", "start", "small"]);
    }

    pub(super) fn change_their_size_while_they_are_used(rig: &QemuRig, node: &Node) {
        let before = pids(node);
        let config = rig.config_file_with("", &toml(rig, "8 MiB", "size = \"8 MiB\""));
        node.orlop(&["config", "apply", config.to_str().unwrap()]);
        let status = node.wait_status("generation 3", |status| {
            status.trial.is_none() && status.current.as_ref().is_some_and(|view| view.id == 3)
        });
        expect_good(&status, 3, "1");
        assert_eq!(pids(node), before);
        let written = refused_after(node, "small", "b");
        assert!((3 * MIB..5 * MIB).contains(&written), "{written}");
        // It holds twice as much already.
        let counted = volume(node, "roomy").counted_bytes.unwrap();
        assert!(counted >= 16 * MIB, "{counted}");
        assert_eq!(refused_after(node, "roomy", "b"), 0);
        let journal = node.orlop(&["volume", "ls"]);
        assert!(journal.contains("8.0 MiB"), "{journal}");
    }

    pub(super) fn keep_their_size_over_a_restart(node: &Node) {
        let machine = node.0.machine();
        machine.power_off(SWITCH).unwrap();
        file_system_is_clean(&machine.dir().join("disk.img"));
        node.power_on();
        expect_good(&node.wait_idle(), 3, "1");
        pids(node);
        assert_eq!(refused_after(node, "small", "c"), 0);
        assert_eq!(volume(node, "small").limit_bytes, Some(8 * MIB));
    }

    /// Also what it counted, says who else knows the format.
    fn file_system_is_clean(disk: &std::path::Path) {
        let table = Command::new("sfdisk")
            .arg("--json")
            .arg(disk)
            .output()
            .unwrap();
        let table: serde_json::Value = serde_json::from_slice(&table.stdout).unwrap();
        let state = &table["partitiontable"]["partitions"][1];
        let offset = state["start"].as_u64().unwrap() * 512;
        let at = format!("{}?offset={offset}", disk.display());
        let check = Command::new("e2fsck")
            .args(["-f", "-n", &at])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success(), "{said}");
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(!said.contains("QUOTA WARNING"), "{said}");
    }
}
