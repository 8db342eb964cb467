//! Containers that come and go, two hundred times, while the agent is killed; and an agent that hangs.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerDetail, HealthState};
use rig::containers::{config, container, outside, wait_view};
use rig::node::{Node, READY, Rig};
use rig::qemu::Random;
use rig::remains;
use serde_json::json;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Each round takes the containers of the last one away, and makes as many. The last one has a schedule.
const ROUNDS: u64 = 20;
const AT_ONCE: usize = 10;
const STARTED_ONCE: usize = AT_ONCE - 1;
/// The agent is killed in each round but every so many, at a moment within this of its beginning.
const CALM: u64 = 3;
const LATEST_KILL_MILLIS: u64 = 2500;

/// The containers of a round: with networks, volumes, probes, files, tmpfs, a shared network, as tasks
/// and with a schedule.
fn containers(rig: &Rig, round: u64) -> Vec<String> {
    let probe = "health = { http = \":8080/healthz\", every = \"500ms\", start = \"30s\" }";
    let kinds = [
        String::new(),
        probe.to_owned(),
        format!("{probe}\nnetworks = [\"back\"]\nvolumes = [\"data:/data\"]"),
        "networks = [\"default\", \"back\"]\nports = [\"8081:8080\"]".to_owned(),
        "read_only = true\ntmpfs = { \"/scratch\" = \"1 MiB\" }\nvolumes = [\"data:/data\"]"
            .to_owned(),
        format!("network = \"container:r{round}-c0\"\nenv = {{ APP_LISTEN = \"127.0.0.1:9090\" }}"),
        "network = \"none\"\nfiles = { \"/etc/app\" = { content = \"x\" } }".to_owned(),
        "kind = \"task\"\nargs = [\"--exit\", \"0\"]".to_owned(),
        format!("after = {{ r{round}-c1 = \"healthy\", r{round}-c7 = \"completed\" }}"),
        "kind = \"task\"\nschedule = \"*:*:*\"\nargs = [\"--exit\", \"0\"]".to_owned(),
    ];
    let all: [String; AT_ONCE] = kinds;
    let named = all.iter().enumerate();
    named
        .map(|(index, keys)| container(rig, &format!("r{round}-c{index}"), keys))
        .collect()
}

/// What the rounds use and what stays.
const SHARED: &str = "\n[net.back]\nsubnet = \"10.88.9.0/24\"\n[volume.data]\n";

fn round(rig: &Rig, round: u64) -> String {
    let more = SHARED.to_owned();
    let quick = ("hold = \"1s\"", "hold = \"100ms\"");
    let text = config(rig, &[containers(rig, round), vec![more]].concat());
    text.replace(quick.0, quick.1)
        .replace("deadline = \"20s\"", "deadline = \"2m\"")
}

#[test]
fn two_hundred_containers_come_and_go_while_the_agent_is_killed_and_nothing_is_left() {
    let rig = Rig::new();
    let bare = || rig.config("1") + SHARED;
    let node = rig.node("rounds", "1", &bare());
    node.wait_idle();
    node.wait_web("/");
    let started = node.wait_web("/started");
    let mut generation = 1;
    let mut apply = |config: &str, kill_after: Option<Duration>| {
        generation += 1;
        node.switch("/v1/config/apply", &json!({ "config": config }));
        if let Some(after) = kill_after {
            // Not a wait for something to happen: the moment of the kill.
            thread::sleep(after);
            remains::kill_agent(&node);
            if !remains::is_on_record(&node, generation) {
                // It died before it had begun; what was asked of it is asked again.
                node.switch("/v1/config/apply", &json!({ "config": config }));
            }
        }
        // One kill ends no trial: the next agent goes on with it.
        let verdict = node.wait_verdict(generation);
        assert!(verdict.good, "{verdict:?}\n{}", node.journal());
        node.wait_idle();
    };
    // The first containers bring what stays for good, such as the folder of the volumes.
    apply(&round(&rig, u64::MAX), None);
    apply(&bare(), None);
    let before = remains::settled(&node);

    let seed = rig::qemu::seed();
    println!("ORLOP_TEST_SEED={seed}");
    let mut random = Random(seed);
    let began = Instant::now();
    for number in 0..ROUNDS {
        let after = Duration::from_millis(random.below(LATEST_KILL_MILLIS));
        let kill_after = (number % CALM != 0).then_some(after);
        apply(&round(&rig, number), kill_after);
        let starts = checks::starts_of(&node, number);
        assert_eq!(starts, [1; STARTED_ONCE], "round {number}");
        println!("round {number}: killed after {kill_after:?}");
    }
    let made = ROUNDS * AT_ONCE as u64;
    println!("{made} containers came and went in {:?}", began.elapsed());
    apply(&bare(), None);
    let after = remains::settled(&node);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(node.wait_web("/started"), started);
}

#[test]
fn an_agent_that_hangs_is_started_again_by_its_watchdog_and_no_container_notices() {
    let rig = Rig::new();
    let node = rig.node("hangs", "1", &round(&rig, 0));
    node.wait_idle();
    let started = node.wait_web("/started");
    let processes = || {
        (0..7)
            .map(|index| checks::process_of(&node, index))
            .collect::<Vec<_>>()
    };
    let before = processes();
    let hung = node.wait_agent("");
    // As if it were in the middle of mounting an image.
    let half = "/run/orlop/mounting/.tmpHalf";
    fs::create_dir(outside(&node, half)).unwrap();
    node.run(&["mount", "-t", "tmpfs", "tmpfs", half]);
    let stop = ["systemctl", "kill", "--signal=STOP", "--kill-whom=main"];
    node.run(&[&stop[..], &["orlopd.service"]].concat());
    assert_eq!(node.wait_web("/started"), started);
    let runs = checks::starts(&node, "r0-c9");

    node.wait_agent(&hung);
    node.wait_idle();
    assert!(!outside(&node, half).exists());
    let result = node.run(&["journalctl", "--no-pager", "--output=cat", "_PID=1"]);
    assert!(
        result.contains("orlopd.service: Watchdog timeout"),
        "{result}"
    );
    let name = "r0-c1";
    wait_view(&node, name, "a healthy container", |view| {
        view.health == HealthState::Healthy
    });
    let probes = || {
        let detail: ContainerDetail = node.api().get(&format!("/v1/containers/{name}")).unwrap();
        detail.probes.last().map(|probe| probe.at)
    };
    let last = probes();
    let came = node
        .machine
        .wait("another probe", READY, || match probes() {
            now if now > last => Ok(()),
            now => Err(format!("{now:?}")),
        });
    came.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(processes(), before);
    assert_eq!(node.wait_web("/started"), started);
    assert_eq!(checks::starts_of(&node, 0), [1; STARTED_ONCE]);
    // The schedule has gone on without it.
    assert!(checks::starts(&node, "r0-c9") > runs + 10);
}

/// What the scenarios look at.
#[cfg(test)]
mod checks {
    use super::{Node, STARTED_ONCE};

    /// How often systemd has started a container.
    pub(super) fn starts(node: &Node<'_>, name: &str) -> usize {
        let log = node.run(&["journalctl", "--no-pager", "--output=cat", "_PID=1"]);
        let started = format!("Started orlop-container-{name}.service");
        log.lines()
            .filter(|line| line.starts_with(&started))
            .count()
    }

    /// The same of all containers of a round but the one with a schedule.
    pub(super) fn starts_of(node: &Node<'_>, round: u64) -> Vec<usize> {
        let log = node.run(&["journalctl", "--no-pager", "--output=cat", "_PID=1"]);
        let all = (0..STARTED_ONCE).map(|index| {
            let started = format!("Started orlop-container-r{round}-c{index}.service");
            log.lines()
                .filter(|line| line.starts_with(&started))
                .count()
        });
        all.collect()
    }

    pub(super) fn process_of(node: &Node<'_>, index: usize) -> String {
        let unit = format!("orlop-container-r0-c{index}.service");
        let properties = "--property=MainPID,NRestarts,ActiveEnterTimestampMonotonic";
        node.run(&["systemctl", "show", properties, &unit])
    }
}
