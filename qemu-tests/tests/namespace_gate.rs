//! The gate's checks, switches that have to be confirmed and the update policy, on namespace machines
//! with the real OS image.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[cfg(test)]
mod rig;

use orlop_api::{CheckView, GenerationStatus, Phase, Status, Trigger};
use rig::node::{Node, READY, Rig};
use rig::remote::Remote;
use serde_json::json;
use std::fs;

/// Where nothing listens (the port of the service `discard`).
const CLOSED: &str = "127.0.0.1:9";
/// An address that only the check that hangs names, so that its process can be found.
const HANGING: &str = "0.0.0.0:47117";

/// The TOML of [`Rig::config`] with these checks, and `[api]` for `remote`.
fn with_checks(rig: &Rig, remote: &Remote, checks: &str) -> String {
    let gate = "hold = \"1s\"\ndeadline = \"20s\"\n";
    let quick = format!("hold = \"500ms\"\ndeadline = \"2s\"\n{checks}");
    format!(
        "{}\n{}",
        rig.config("1").replace(gate, &quick),
        remote.toml(6443)
    )
}

/// The verdict on generation `id`, which was thrown out by its check `name`; the node is idle again.
fn thrown_out(node: &Node<'_>, id: u64, name: &str) -> String {
    let verdict = node.wait_verdict(id);
    assert!(!verdict.good, "{verdict:?}");
    let Trigger::Check { check, detail } = &verdict.trigger else {
        panic!("{verdict:?}")
    };
    assert_eq!(check, name, "{verdict:?}");
    let seen = |check: &&CheckView| check.name == name && check.pass != Some(true);
    assert!(
        verdict.checks.iter().any(|check| seen(&check)),
        "{verdict:?}"
    );
    assert_eq!(verdict.running, 1, "{verdict:?}");
    node.wait_idle_on(1);
    detail.clone()
}

/// Whether a process of this host has `text` in its command line.
fn runs(text: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let own = std::process::id().to_string();
    let others = processes.filter(|entry| entry.file_name().to_string_lossy() != own);
    others
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(text))
}

#[test]
fn a_failing_check_of_each_kind_throws_the_config_out_and_is_named() {
    let rig = Rig::new();
    let remote = Remote::new(&rig);
    let node = rig.node("checks", "1", &with_checks(&rig, &remote, ""));
    node.wait_idle();
    let hanging = format!("exec = [\"/app\", \"--listen\", \"{HANGING}\"]\nin = \"web\"");
    for (index, (check, name, says)) in [
        (
            format!("tcp = \"{CLOSED}\""),
            format!("tcp {CLOSED}"),
            "cannot connect: ",
        ),
        (
            format!("http = \"http://{CLOSED}/\""),
            format!("http http://{CLOSED}/"),
            "cannot connect to 127.0.0.1:9: ",
        ),
        (
            "exec = [\"/app\", \"--nonsense\"]\nin = \"web\"".to_owned(),
            "exec in web: /app --nonsense".to_owned(),
            "exit status: 2: error: unexpected argument '--nonsense'",
        ),
        (
            hanging,
            format!("exec in web: /app --listen {HANGING}"),
            "no result yet",
        ),
        (
            "unit = \"nothing.service\"".to_owned(),
            "unit nothing.service".to_owned(),
            "there is no such unit",
        ),
        (
            "api = \"reached\"".to_owned(),
            "api reached".to_owned(),
            "nobody has reached the API since the switch",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let config = with_checks(&rig, &remote, &format!("[[gate.check]]\n{check}\n"));
        node.switch("/v1/config/apply", &json!({ "config": config }));
        let detail = thrown_out(&node, index as u64 + 2, &name);
        assert!(detail.starts_with(says), "{name}: {detail}");
    }
    let gone = node
        .machine
        .wait("the end of the check that hung", READY, || {
            if runs(HANGING) {
                Err("it runs".to_owned())
            } else {
                Ok(())
            }
        });
    gone.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(node.wait_web("/"), "hello from 1\n");
}

#[test]
fn a_passing_check_of_each_kind_commits_and_the_events_tell_of_each() {
    let rig = Rig::new();
    let remote = Remote::new(&rig);
    let node = rig.node("passing", "1", &with_checks(&rig, &remote, ""));
    node.wait_idle();
    let mut events = remote.events(&node);
    let checks = "[[gate.check]]\ncontainer = \"web\"\n\
        [[gate.check]]\nhttp = \"http://127.0.0.1:8080/\"\n\
        [[gate.check]]\ntcp = \"127.0.0.1:8080\"\n\
        [[gate.check]]\nexec = [\"/app\", \"--help\"]\nin = \"web\"\n\
        [[gate.check]]\nunit = \"systemd-networkd.service\"\n\
        [[gate.check]]\napi = \"reached\"\n";
    let config =
        with_checks(&rig, &remote, checks).replace("deadline = \"2s\"", "deadline = \"60s\"");
    node.switch("/v1/config/apply", &json!({ "config": config }));
    node.wait_status("the trial", |status| status.phase == Phase::Trial);
    // This is what reaches the API; the connection for events is from before the switch.
    remote.status(&node);
    let verdict = node.wait_verdict(2);
    assert!(verdict.good, "{verdict:?}");
    let names: Vec<&str> = verdict
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    let expected = [
        "container web",
        "http http://127.0.0.1:8080/",
        "tcp 127.0.0.1:8080",
        "exec in web: /app --help",
        "unit systemd-networkd.service",
        "api reached",
    ];
    assert_eq!(names, expected);
    assert!(
        verdict.checks.iter().all(|check| check.pass == Some(true)),
        "{verdict:?}"
    );
    let told = events.until("verdict");
    for name in expected {
        let line = |line: &&String| line.contains("\"check\"") && line.contains(name);
        assert!(told.iter().any(|told| line(&told)), "{name} in {told:#?}");
    }
    assert!(
        told.iter().any(|line| line.contains("\"event\":\"trial\"")),
        "{told:#?}"
    );
}

#[test]
fn a_config_that_cuts_off_its_operator_comes_back_and_a_confirmed_one_stays() {
    let rig = Rig::new();
    let remote = Remote::new(&rig);
    let config = |port: u16| format!("{}\n{}", rig.config("1"), remote.toml(port));
    let node = rig.node("confirm", "1", &config(6443));
    node.wait_idle();

    // The API moves away from where the operator asks, who cannot confirm then.
    let moved = remote.file("moved.toml", &config(7443));
    let apply = ["config", "apply", &moved, "--confirm", "6s", "--wait"];
    let said = remote.orlop(&node, &apply);
    assert_eq!(said.code, Some(9), "{said:?}");
    assert!(said.out.contains("nobody confirmed it within"), "{said:?}");
    node.wait_idle_on(1);
    assert_eq!(remote.status(&node).current.unwrap().id, 1);

    // A harmless one: confirmed, it stays.
    let harmless = remote.file("harmless.toml", &format!("{}\n# harmless\n", config(6443)));
    let said = remote.orlop(&node, &["config", "apply", &harmless, "--confirm", "2m"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let held = |status: &Status| {
        let trial = status.trial.as_ref();
        let gate = trial.and_then(|trial| trial.gate.as_ref());
        gate.is_some_and(|gate| gate.held_secs >= 2)
    };
    let status = node.wait_status("a gate that has held", held);
    assert_eq!(status.phase, Phase::Trial, "it waits for its confirmation");
    assert!(
        remote
            .orlop(&node, &["status"])
            .out
            .contains("needed within 1 min")
    );
    let said = remote.orlop(&node, &["config", "confirm"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(node.wait_verdict(3).good);
    node.wait_idle_on(3);
    let again = remote.orlop(&node, &["config", "confirm"]);
    assert!(
        again.err.contains("cannot confirm: no switch waits for it"),
        "{again:?}"
    );
    let history = remote.orlop(&node, &["config", "history"]).out;
    assert_eq!(history.lines().count(), 4, "{history}");

    // The power fails while it waits: the time runs on.
    let cut = remote.file("cut.toml", &format!("{}\n# cut\n", config(6443)));
    let said = remote.orlop(&node, &["config", "apply", &cut, "--confirm", "12s"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    node.wait_status("the trial", |status| status.phase == Phase::Trial);
    node.machine.cut_power().unwrap();
    node.machine.power_on().unwrap();
    let verdict = node.wait_verdict(4);
    assert_eq!(verdict.trigger, Trigger::Unconfirmed { within_secs: 12 });
    assert_eq!(verdict.running, 3, "{verdict:?}");
    node.wait_idle_on(3);
}

#[test]
fn policy_auto_follows_a_tag_and_holds_what_failed_until_it_is_released() {
    let rig = Rig::new();
    let remote = Remote::new(&rig);
    rig.push_stable("one", false);
    let base = with_checks(&rig, &remote, "").replace("test/app:1", "test/app:stable");
    let config = base.replace("deadline = \"2s\"", "deadline = \"6s\"")
        + "\n[update]\npolicy = \"auto\"\nevery = \"1s\"\n";
    let node = rig.node("auto", "1", &config);
    node.wait_idle();
    assert_eq!(node.wait_web("/file/which"), "one");
    rig.push_stable("two", false);
    assert!(node.wait_verdict(2).good);
    assert_eq!(node.wait_web("/file/which"), "two");

    rig.push_stable("three", true);
    let detail = {
        let verdict = node.wait_verdict(3);
        assert_eq!((verdict.good, verdict.running), (false, 2), "{verdict:?}");
        verdict.trigger.to_string()
    };
    assert!(detail.contains("container web"), "{detail}");
    let status = node.wait_idle_on(2);
    assert_eq!(status.held.len(), 1, "{status:?}");
    for _ in 0..2 {
        let next = |status: &Status| status.updates.clone().unwrap().next_look;
        let before = next(&node.status());
        node.wait_status("a further look", |status| next(status) > before);
    }
    let generations = remote.orlop(&node, &["generations"]).out;
    assert_eq!(generations.lines().count(), 4, "{generations}");
    assert_eq!(node.wait_web("/file/which"), "two");

    let digest = &status.held[0].manifest;
    let listed = remote.orlop(&node, &["status"]).out;
    assert!(listed.contains(digest.as_str()), "{listed}");
    let said = remote.orlop(&node, &["update", "release", &digest[..20]]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let verdict = node.wait_verdict(4);
    assert!(!verdict.good, "{verdict:?}");
    let current = node.wait_idle_on(2).current.unwrap();
    assert_eq!(current.status, GenerationStatus::Good);
}
