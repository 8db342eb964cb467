//! Containers that share IPC on a real node: what is in shared memory and message queues is seen by both and by
//! nobody else, outlives each of them, the agent and the OS, and goes with them.

#[cfg(test)]
mod rig;

use checks::{ask, group, namespace, nothing_is_left, restart, still_shared};
use rig::containers::{apply, config, outside, wait_answer};
use rig::node::Rig;
use std::fs;

const HOLDER: u16 = 8081;
const SHARER: u16 = 8082;
const OTHER: u16 = 8083;
const MIB: u64 = 1 << 20;

#[test]
fn shared_memory_and_queues_are_the_groups_alone_and_outlive_each_of_it_the_agent_and_the_os() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    let node = rig.node("sharing", "1", &config(&rig, &group(&rig)));
    node.wait_idle();
    ask(&node, HOLDER, "/try/write/dev/shm/x").unwrap();
    ask(&node, HOLDER, "/try/send/first").unwrap();
    still_shared(&node, "first");
    // The user of the other one is not its root, and may write there.
    ask(&node, SHARER, "/try/write/dev/shm/y").unwrap();
    assert_eq!(
        ask(&node, HOLDER, "/file/dev/shm/y").as_deref(),
        Ok("written")
    );
    for path in ["/file/dev/shm/x", "/receive"] {
        let refused = ask(&node, OTHER, path).unwrap_err();
        assert!(refused.contains("No such file"), "{refused}");
    }
    for (name, kind, same) in [
        ("a-sharer", "ipc", true),
        ("a-sharer", "user", true),
        ("a-sharer", "net", false),
        ("beside", "ipc", true),
        ("beside", "net", true),
        ("other", "ipc", false),
    ] {
        let (holder, found) = (
            namespace(&node, "holder", kind).1,
            namespace(&node, name, kind).1,
        );
        assert_eq!(holder == found, same, "{name} {kind}");
    }
    let shm = outside(&node, "/run/orlop/containers/holder/shm");
    let size = nix::sys::statvfs::statvfs(&shm).unwrap();
    assert_eq!(size.blocks() * size.fragment_size(), MIB);

    let before = ["a-sharer", "beside"].map(|name| namespace(&node, name, "ipc"));
    ask(&node, HOLDER, "/try/send/second").unwrap();
    node.run(&["systemctl", "kill", "--signal=KILL", "orlopd.service"]);
    // By systemd, without the agent.
    node.run(&["systemctl", "restart", "orlop-container-holder.service"]);
    node.wait_idle();
    still_shared(&node, "second");

    ask(&node, HOLDER, "/try/send/third").unwrap();
    node.update(&rig.image("orlop/os:2"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    assert_eq!(node.wait_idle().os_release.as_deref(), Some("2"));
    let after = ["a-sharer", "beside"].map(|name| namespace(&node, name, "ipc"));
    assert_eq!(after, before, "{}", node.journal());
    for name in ["holder", "a-sharer", "beside"] {
        restart(&node, name);
    }
    still_shared(&node, "third");
    nothing_is_left(&rig, &node, 3);
}

#[test]
fn a_container_that_begins_to_lend_its_ipc_is_replaced_and_leftovers_of_a_killed_agent_are_found() {
    let rig = Rig::new();
    let all = group(&rig);
    let alone = [all[0].clone(), all[3].clone()];
    let node = rig.node("lending", "1", &config(&rig, &alone));
    node.wait_idle();
    wait_answer(&node, HOLDER, "/");
    let before = (
        namespace(&node, "holder", "ipc"),
        namespace(&node, "other", "ipc"),
    );
    apply(&node, &config(&rig, &all));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    assert_ne!(namespace(&node, "holder", "ipc").0, before.0.0);
    assert_eq!(namespace(&node, "other", "ipc"), before.1);
    ask(&node, HOLDER, "/try/write/dev/shm/x").unwrap();
    ask(&node, HOLDER, "/try/send/first").unwrap();
    still_shared(&node, "first");

    // As an agent leaves it that was killed while it took the group away.
    node.run(&["systemctl", "kill", "--signal=STOP", "orlopd.service"]);
    node.run(&["systemctl", "stop", "orlop-container-holder.service"]);
    let unit = "/run/systemd/system/orlop-container-holder.service";
    fs::remove_file(outside(&node, unit)).unwrap();
    node.run(&["systemctl", "kill", "--signal=KILL", "orlopd.service"]);
    node.wait_idle();
    wait_answer(&node, HOLDER, "/");
    nothing_is_left(&rig, &node, 3);
}

/// What the scenarios look at and do.
#[cfg(test)]
mod checks {
    use super::rig::containers::{apply, container, outside, wait_answer};
    use super::rig::node::{Node, Rig};
    use super::{HOLDER, OTHER, SHARER};
    use std::fs;
    use std::path::PathBuf;

    /// One that lends its IPC, one with a network of its own that shares it, one that shares network and IPC, a stranger.
    pub(super) fn group(rig: &Rig) -> Vec<String> {
        let beside = "network = \"container:holder\"\nipc = \"container:holder\"\nuserns = \"own\"\n\
                  env = { APP_LISTEN = \"127.0.0.1:9\" }";
        let holder = format!("ports = [\"{HOLDER}:8080\"]\nshm_size = \"1 MiB\"");
        // Earlier in the order of names than whose IPC it shares.
        let sharer =
            format!("ports = [\"{SHARER}:8080\"]\nipc = \"container:holder\"\nuser = \"1000\"");
        let other = format!("ports = [\"{OTHER}:8080\"]");
        vec![
            container(rig, "holder", &holder),
            container(rig, "a-sharer", &sharer),
            container(rig, "beside", beside),
            container(rig, "other", &other),
        ]
    }

    /// The process of a container, and a namespace of it.
    pub(super) fn namespace(node: &Node<'_>, name: &str, kind: &str) -> (String, PathBuf) {
        let unit = format!("orlop-container-{name}.service");
        let pid = node.run(&["systemctl", "show", "--property=MainPID", "--value", &unit]);
        let path = format!("/proc/{}/ns/{kind}", pid.trim());
        let namespace = fs::read_link(outside(node, &path)).unwrap();
        (pid, namespace)
    }

    pub(super) fn ask(node: &Node<'_>, port: u16, path: &str) -> Result<String, String> {
        wait_answer(node, port, "/");
        let answer = node.ask(port, path).unwrap();
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        Err(answer.body)
    }

    pub(super) fn restart(node: &Node<'_>, name: &str) {
        let ended = node.orlop(&["container", "restart", name]);
        assert_eq!(ended.code, Some(0), "{ended:?} {}", node.journal());
    }

    /// What was put there before is there, for both who share it.
    pub(super) fn still_shared(node: &Node<'_>, message: &str) {
        for port in [HOLDER, SHARER] {
            assert_eq!(ask(node, port, "/file/dev/shm/x").as_deref(), Ok("written"));
        }
        assert_eq!(ask(node, SHARER, "/receive").as_deref(), Ok(message));
    }

    pub(super) fn nothing_is_left(rig: &Rig, node: &Node<'_>, generation: u64) {
        apply(node, &rig.config("1"));
        assert!(node.wait_verdict(generation).good, "{}", node.journal());
        node.wait_idle();
        let mounts = fs::read_to_string(outside(node, "/proc/1/mountinfo")).unwrap();
        for name in ["holder", "a-sharer", "beside", "other"] {
            assert!(!mounts.contains(&format!("containers/{name}/")), "{mounts}");
            assert!(!mounts.contains(&format!("netns/orlop-{name}")), "{mounts}");
        }
        let bundles = fs::read_dir(outside(node, "/run/orlop/containers")).unwrap();
        assert_eq!(bundles.count(), 1);
        let kept = fs::read_dir(outside(node, "/run/netns")).unwrap();
        assert_eq!(kept.count(), 1);
    }
}
