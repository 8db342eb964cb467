//! Scenarios on namespace machines with the real OS image: real systemd, D-Bus, runtime, network,
//! registry.

#[cfg(test)]
mod rig;

use orlop_api::{GenerationStatus, Phase, Trigger};
use orlop_machines::BootEnd;
use rig::node::{READY, Rig};
use serde_json::json;

/// The only problem of a healthy node on a namespace machine.
const NO_VERITY: &str = "fs-verity is off: files of images are not checked when they are read";

#[test]
fn a_node_comes_up_from_its_toml_and_its_container_answers_from_outside() {
    let rig = Rig::new();
    let node = rig.node("first", "1", &rig.config("1"));
    let status = node
        .api()
        .wait_ready(READY)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        !status.verity,
        "no fs-verity in a namespace machine, and said so"
    );
    assert_eq!(node.wait_web("/"), "hello from 1\n");
    let status = node.wait_idle();
    let current = status.current.unwrap();
    assert_eq!((current.id, current.status), (1, GenerationStatus::Good));
    assert_eq!(current.os.version.as_deref(), Some("1"));
    assert_eq!(status.problems, [NO_VERITY]);
}

#[test]
fn an_update_boots_passes_its_gate_and_is_kept() {
    let rig = Rig::new();
    rig.push_os("2");
    let node = rig.node("update", "1", &rig.config("1"));
    let machine_id = node.wait_idle().machine_id;
    node.update(&rig.image("orlop/os:2"));
    let verdict = node.wait_verdict(2);
    assert!(verdict.good, "{verdict:?}");
    assert_eq!((verdict.running, verdict.trigger), (2, Trigger::Gate));
    let status = node.wait_idle();
    assert_eq!(status.current.unwrap().os.version.as_deref(), Some("2"));
    assert_eq!(status.machine_id, machine_id);
    assert_eq!(node.wait_web("/"), "hello from 1\n");
}

#[test]
fn a_config_whose_container_is_never_healthy_goes_back_and_why_names_the_check() {
    let rig = Rig::new();
    let node = rig.node("sick", "1", &rig.config("1"));
    node.wait_idle();
    node.switch("/v1/config/apply", &json!({ "config": rig.config("sick") }));
    let verdict = node.wait_verdict(2);
    assert!(!verdict.good, "{verdict:?}");
    assert_eq!(verdict.running, 1);
    let Trigger::Check { check, .. } = &verdict.trigger else {
        panic!("{verdict:?}")
    };
    assert_eq!(check, "container web");
    node.wait_idle();
    assert_eq!(node.wait_web("/"), "hello from 1\n");
    assert!(
        node.why().not_newer.unwrap().contains("container web"),
        "{:?}",
        node.why()
    );
}

#[test]
fn an_agent_killed_by_signal_9_goes_on_and_no_container_notices() {
    let rig = Rig::new();
    let node = rig.node("killed", "1", &rig.config("1"));
    node.wait_idle();
    let started = node.wait_web("/started");
    let mut killed = String::new();
    for _ in 0..3 {
        killed = node.kill_agent(&killed);
        node.wait_agent(&killed);
        assert_eq!(node.wait_idle().current.unwrap().id, 1);
    }
    assert_eq!(node.wait_web("/started"), started);
}

#[test]
fn a_node_without_power_comes_back_as_it_was() {
    let rig = Rig::new();
    let node = rig.node("dark", "1", &rig.config("1"));
    let before = node.wait_idle();
    node.wait_web("/");
    assert_eq!(
        node.machine.cut_power().unwrap().last_end,
        Some(BootEnd::Killed)
    );
    node.machine.power_on().unwrap();
    let after = node.wait_idle();
    assert_eq!(after.machine_id, before.machine_id);
    assert_eq!(after.current, before.current);
    assert_eq!(node.wait_web("/"), "hello from 1\n");
}

#[test]
fn busctl_introspects_and_drives_the_node_and_an_unprivileged_caller_is_refused() {
    let rig = Rig::new();
    rig.push_os("2");
    let node = rig.node("bus", "1", &rig.config("1"));
    node.wait_idle();
    let object = ["io.orlop.Host1", "/io/orlop/Host1"];
    let members = node.run(&[&["busctl", "introspect"], &object[..]].concat());
    for member in [
        ".Stage",
        ".Apply",
        ".RollBack",
        ".Status",
        ".State",
        ".Progress",
    ] {
        assert!(members.contains(member), "{member} in {members}");
    }
    let os = rig.image("orlop/os:2");
    let stage = [
        &["busctl", "call"],
        &object[..],
        &["io.orlop.Host1", "Stage", "ss", &os, ""],
    ];
    let refused = [
        &["systemd-run", "--quiet", "--pipe", "--wait", "--uid=nobody"],
        &stage.concat()[..],
    ];
    let output = node.machine.exec(&refused.concat()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{output:?}");
    assert!(
        said.contains("Access denied") || said.contains("not allowed"),
        "{said}"
    );
    assert_eq!(node.status().phase, Phase::Idle);

    node.run(&stage.concat());
    let staged = node.wait_status("a staged generation", |status| status.staged.is_some());
    assert_eq!(staged.staged.unwrap().os.version.as_deref(), Some("2"));
    node.run(
        &[
            &["busctl", "call"],
            &object[..],
            &["io.orlop.Host1", "Apply", "sb", "", "false"],
        ]
        .concat(),
    );
    assert!(node.wait_verdict(2).good);
    node.wait_idle();
    node.run(
        &[
            &["busctl", "call"],
            &object[..],
            &["io.orlop.Host1", "RollBack", "tsb", "0", "", "false"],
        ]
        .concat(),
    );
    let back = node.wait_status("version 1 again", |status| {
        let version = status
            .current
            .as_ref()
            .and_then(|current| current.os.version.clone());
        status.phase == Phase::Idle && version.as_deref() == Some("1")
    });
    assert_eq!(back.problems, [NO_VERITY]);
}
