//! Containers that are replaced start-first, on namespace machines: whoever asks them is answered all the
//! time, whatever becomes of the new instance, of the agent and of the OS under them.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

#[cfg(test)]
mod rig;

use orlop_api::{ContainerState, HealthState, LogLine, Trigger};
use rig::containers::{outside, views, wait_view};
use rig::node::{Node, Rig, SWITCH};
use rig::qemu::Random;
use rig::remains;
use rig::witness::{Asker, HeldConnection};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

/// Live swaps in a row.
const SWAPS: u64 = 10;
/// Updates in a row. An even number: the last one is in the slot of the first one.
const UPDATES: u64 = 20;
/// In each but every so many of them the agent is killed, at a moment within this of its beginning.
const CALM: u64 = 2;
const LATEST_KILL_MILLIS: u64 = 4000;

/// The TOML of [`Rig::config`] with `web` updated start-first.
fn start_first(rig: &Rig, app: &str) -> String {
    rig.config(app) + "update = \"start-first\"\n"
}

/// The same with a probe that is passed when there is a file `go` in the volume `data`.
fn when_told(rig: &Rig, app: &str) -> String {
    let text = start_first(rig, app).replace(":8080/healthz", ":8080/file/data/go");
    let text = text.replace("start = \"10s\"", "start = \"2m\"");
    let text = text.replace("deadline = \"20s\"", "deadline = \"3m\"");
    text + "volumes = [\"data:/data\"]\n[volume.data]\n"
}

fn apply(node: &Node<'_>, config: &str) {
    node.switch("/v1/config/apply", &json!({ "config": config }));
}

/// The processes of `web`: of the instance in its first slot and of that in its second.
fn processes(node: &Node<'_>) -> [Option<u32>; 2] {
    ["web", "web.2"].map(|instance| {
        let unit = format!("orlop-container-{instance}.service");
        let show = ["systemctl", "show", "--value", "--property=MainPID"];
        let pid = node.run(&[&show[..], &[unit.as_str()]].concat());
        pid.trim().parse().ok().filter(|pid| *pid != 0)
    })
}

/// Waits until both instances of `web` are there; their processes.
fn wait_both(node: &Node<'_>) -> [u32; 2] {
    let both = node
        .machine
        .wait("two instances", SWITCH, || match processes(node) {
            [Some(first), Some(second)] => Ok([first, second]),
            other => Err(format!("{other:?}")),
        });
    both.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()))
}

/// Waits until only this instance of `web` is there, with this process.
fn wait_only(node: &Node<'_>, wanted: [Option<u32>; 2]) {
    let only = node
        .machine
        .wait("one instance", SWITCH, || match processes(node) {
            now if now == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        });
    only.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
}

#[test]
fn an_update_start_first_refuses_no_connection_and_cuts_none_before_the_old_one_stops() {
    let rig = Rig::new();
    let node = rig.node("update", "1", &start_first(&rig, "1"));
    node.wait_idle();
    node.wait_web("/");
    let [Some(old), None] = processes(&node) else {
        panic!("{:?}", processes(&node))
    };
    let dry = json!({ "config": start_first(&rig, "2"), "dry_run": true });
    let plan: serde_json::Value = node.api().post("/v1/config/apply", &dry).unwrap();
    let said = "container web is replaced start-first: not interrupted";
    assert!(plan.to_string().contains(said), "{plan}");

    let asked = thread::scope(|scope| {
        let asker = Asker::start(scope, || node.web("/"));
        asker.wait_for("hello from 1\n");
        let held = HeldConnection::on(node.connect_web().unwrap()).unwrap();
        apply(&node, &start_first(&rig, "2"));
        asker.wait_for("hello from 2\n");
        // The old one has not been stopped yet, for the sake of those who are still on their way to it.
        assert!(held.is_open());
        let verdict = node.wait_verdict(2);
        assert!(verdict.good, "{verdict:?}\n{}", node.journal());
        held.wait_end();
        asker.end()
    });
    println!("{asked:?}");
    assert_eq!(asked.failures, Vec::<String>::new());
    assert_eq!(asked.answers(), ["hello from 1\n", "hello from 2\n"]);

    let [None, Some(new)] = processes(&node) else {
        panic!("{:?}", processes(&node))
    };
    assert_ne!(old, new);
    let view = views(&node).remove(0);
    let seen = (view.pid, view.state, view.health);
    let expected = (Some(new), ContainerState::Running, HealthState::Healthy);
    assert_eq!(seen, expected);
    // Commands, signals, figures and lines are those of the instance that serves, and the lines of both.
    let top = node.run(&["orlop", "container", "top", "web"]);
    assert!(top.contains(&new.to_string()), "{top}");
    node.run(&["orlop", "container", "exec", "web", "--", "/app", "--help"]);
    let stats = node.run(&["orlop", "container", "stats", "--json", "web"]);
    assert!(
        stats.contains("\"name\":\"web\"") || stats.contains("\"name\": \"web\""),
        "{stats}"
    );
    let logs = node.run(&["orlop", "container", "logs", "--json", "web"]);
    let lines: Vec<LogLine> = logs
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for version in ["1", "2"] {
        let says = format!("started version {version}");
        assert!(lines.iter().any(|line| line.text == says), "{logs}");
    }

    // The way back by hand is start-first, too.
    let asked = thread::scope(|scope| {
        let asker = Asker::start(scope, || node.web("/"));
        asker.wait_for("hello from 2\n");
        node.switch("/v1/rollback", &json!({}));
        asker.wait_for("hello from 1\n");
        node.wait_idle_on(1);
        asker.end()
    });
    assert_eq!(asked.failures, Vec::<String>::new());
    assert_eq!(asked.answers(), ["hello from 2\n", "hello from 1\n"]);
    wait_view(&node, "web", "a healthy container", |view| {
        view.health == HealthState::Healthy
    });
    assert!(matches!(processes(&node), [Some(_), None]));
}

#[test]
fn an_update_that_is_not_well_is_thrown_out_and_the_old_instance_has_served_all_the_time() {
    let rig = Rig::new();
    let check = "[[gate.check]]\nhttp = \"http://127.0.0.1:8080/\"\n[container.web]";
    let config = |app: &str| start_first(&rig, app).replace("[container.web]", check);
    let node = rig.node("sick", "1", &config("1"));
    node.wait_idle();
    node.wait_web("/");
    let before = processes(&node);
    let started = node.wait_web("/started");

    let asked = thread::scope(|scope| {
        let asker = Asker::start(scope, || node.web("/"));
        let held = HeldConnection::on(node.connect_web().unwrap()).unwrap();
        apply(&node, &config("sick"));
        wait_both(&node);
        let verdict = node.wait_verdict(2);
        assert_eq!((verdict.good, verdict.running), (false, 1), "{verdict:?}");
        // The check that asks the published port saw nothing of it: the old instance answered.
        let Trigger::Check { check, detail } = &verdict.trigger else {
            panic!("{verdict:?}")
        };
        assert_eq!(check, "container web");
        assert!(detail.contains("status 503"), "{detail}");
        node.wait_idle_on(1);
        assert!(held.is_open());
        asker.end()
    });
    assert_eq!(asked.failures, Vec::<String>::new());
    assert_eq!(asked.answers(), ["hello from 1\n"]);
    wait_only(&node, before);
    assert_eq!(node.wait_web("/started"), started);
    assert_eq!(processes(&node), before);
    let view = views(&node).remove(0);
    assert_eq!(view.state, ContainerState::Running, "{view:?}");

    // One that ends, and one that cannot be started at all.
    for (generation, args) in [(3, "\"--exit\", \"3\""), (4, "\"--nonsense\"")] {
        apply(&node, &format!("{}args = [{args}]\n", config("2")));
        let verdict = node.wait_verdict(generation);
        let Trigger::Check { check, .. } = &verdict.trigger else {
            panic!("{verdict:?}")
        };
        assert_eq!(check, "container web");
        node.wait_idle_on(1);
        assert_eq!(node.wait_web("/started"), started);
        wait_only(&node, before);
    }
}

#[test]
fn an_agent_killed_while_both_instances_run_sees_the_update_through_and_nobody_notices() {
    let rig = Rig::new();
    let node = rig.node("killed", "1", &start_first(&rig, "1"));
    node.wait_idle();
    node.wait_web("/");
    let (both, asked) = thread::scope(|scope| {
        let asker = Asker::start(scope, || node.web("/"));
        apply(&node, &when_told(&rig, "2"));
        let both = wait_both(&node);
        for _ in 0..3 {
            remains::kill_agent(&node);
            wait_view(&node, "web", "one whose next instance comes up", |view| {
                view.detail.contains("the next instance comes up: running")
            });
            assert_eq!(processes(&node), both.map(Some));
        }
        assert_eq!(asker.last().as_deref(), Some("hello from 1\n"));
        fs::write(outside(&node, "/state/volumes/data/go"), "").unwrap();
        asker.wait_for("hello from 2\n");
        let verdict = node.wait_verdict(2);
        assert!(verdict.good, "{verdict:?}\n{}", node.journal());
        wait_only(&node, [None, Some(both[1])]);
        (both, asker.end())
    });
    assert_eq!(asked.failures, Vec::<String>::new());
    assert_eq!(asked.answers(), ["hello from 1\n", "hello from 2\n"]);

    // Thrown out in the middle, by hand, right after an agent was killed: the one that served is kept.
    fs::remove_file(outside(&node, "/state/volumes/data/go")).unwrap();
    let changed = when_told(&rig, "1").replace("/file/data/go", "/file/data/never");
    let asked = thread::scope(|scope| {
        let asker = Asker::start(scope, || node.web("/"));
        apply(&node, &changed);
        wait_both(&node);
        remains::kill_agent(&node);
        node.wait_status("the trial", |status| status.trial.is_some());
        node.switch("/v1/rollback", &json!({}));
        node.wait_idle_on(2);
        wait_only(&node, [None, Some(both[1])]);
        asker.end()
    });
    assert_eq!(asked.failures, Vec::<String>::new());
    assert_eq!(asked.answers(), ["hello from 2\n"]);
}

#[test]
fn ten_live_swaps_do_not_disturb_a_container_in_its_second_slot() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    let node = rig.node("swaps", "1", &start_first(&rig, "1"));
    node.wait_idle();
    apply(&node, &start_first(&rig, "2"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_idle();
    let web = processes(&node);
    assert!(matches!(web, [None, Some(_)]), "{web:?}");
    let started = node.wait_web("/started");
    let witness = rig::witness::StreamWitness::on(node.connect_web().unwrap()).unwrap();
    for swap in 0..SWAPS {
        let version = if swap % 2 == 0 { "2" } else { "1" };
        node.swap_to(&rig, version, swap + 3);
        assert_eq!(processes(&node), web);
        assert_eq!(node.wait_web("/started"), started);
    }
    let (lines, gap) = witness.end();
    println!("{lines} lines on one connection, longest gap {gap:?}");
}

#[test]
fn twenty_updates_with_agents_killed_in_between_refuse_nothing_and_leave_nothing() {
    let rig = Rig::new();
    let quick = |number: u64| {
        let text = start_first(&rig, "1").replace("hold = \"1s\"", "hold = \"100ms\"");
        let text = text.replace("deadline = \"20s\"", "deadline = \"2m\"");
        format!("{text}env = {{ UPDATE = \"{number}\" }}\n")
    };
    let node = rig.node("many", "1", &quick(0));
    node.wait_idle();
    let update = |number: u64, kill_after: Option<Duration>| {
        apply(&node, &quick(number));
        if let Some(after) = kill_after {
            // Not a wait for something to happen: the moment of the kill.
            thread::sleep(after);
            remains::kill_agent(&node);
            if !remains::is_on_record(&node, number + 1) {
                // It died before it had begun; what was asked of it is asked again.
                apply(&node, &quick(number));
            }
        }
        let verdict = node.wait_verdict(number + 1);
        assert!(verdict.good, "{verdict:?}\n{}", node.journal());
        node.wait_idle();
    };
    // The first ones bring what stays for good, such as the folder of the second slots.
    update(1, None);
    update(2, None);
    let before = remains::settled(&node);
    let seed = rig::qemu::seed();
    println!("ORLOP_TEST_SEED={seed}");
    let mut random = Random(seed);
    let asked = thread::scope(|scope| {
        let asker = Asker::start(scope, || node.web("/"));
        for number in 3..3 + UPDATES {
            let after = Duration::from_millis(random.below(LATEST_KILL_MILLIS));
            let kill_after = (number % CALM != 0).then_some(after);
            update(number, kill_after);
            println!("update {number}: agent killed after {kill_after:?}");
        }
        asker.end()
    });
    println!("{asked:?}");
    assert_eq!(asked.failures, Vec::<String>::new());
    let after = remains::settled(&node);
    for ((kind, before), (_, after)) in before.iter().zip(&after) {
        match *kind {
            // Each instance has a new one.
            "network namespaces" => assert_eq!(before.len(), after.len(), "{kind}"),
            _ => assert_eq!(before, after, "{kind}"),
        }
    }
    let pids: BTreeSet<_> = processes(&node).into_iter().flatten().collect();
    assert_eq!(pids.len(), 1);
}
