//! Real workloads from Debian packages, as docs/examples/shop.toml puts them together: brought up in
//! order, used from outside, killed, restarted, updated, rolled back, and swapped under.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

#[cfg(test)]
mod rig;

use orlop_api::{HealthState, Trigger};
use rig::containers::{apply, process_of, wait_view};
use rig::node::{Node, Rig};
use rig::shop::{self, SERVICES};

/// Swaps in a row.
const SWAPS: u64 = 10;
/// The task of the night, every five seconds.
const OFTEN: (&str, &str) = ("\"daily 03:00\"", "\"*:*:0/5\"");
/// A gate that gives up soon.
const QUICK: (&str, &str) = ("deadline = \"3m\"", "deadline = \"30s\"");
const FRONT_1: &str = "shop/front:1";

#[test]
fn a_shop_comes_up_in_order_and_stands_kills_restarts_updates_and_roll_backs() {
    let rig = Rig::new();
    shop::push(&rig.registry);
    let node = shop::empty_node(&rig, "shop");
    shop::open(&node, &shop::toml(&rig, &[OFTEN]));
    checks::came_up_in_order(&node);

    assert_eq!(shop::ask(&node, "/"), "served by front 1");
    assert_eq!(shop::order(&node, "tea"), "1");
    assert_eq!(shop::items(&node), ["tea"]);
    assert_eq!(shop::ask(&node, "/shop/requests"), "2");
    checks::backed_up(&node, "tea");

    killed_and_restarted(&node);
    updated_and_rolled_back(&rig, &node);
}

/// A kill of PostgreSQL, a restart of it by an operator, a kill of the agent.
fn killed_and_restarted(node: &Node<'_>) {
    let before = process_of(node, "db");
    let others = checks::processes(node, &["cache", "app", "front"]);
    let kill = ["systemctl", "kill", "--signal=KILL", "--kill-whom=main"];
    node.run(&[&kill[..], &["orlop-container-db.service"]].concat());
    checks::wait_other(node, "db", &before);
    assert_eq!(shop::items(node), ["tea"]);
    shop::order(node, "cocoa");
    let restarts = "--property=NRestarts";
    let restarts = node.run(&["systemctl", "show", restarts, "orlop-container-db.service"]);
    assert_eq!(restarts.trim(), "NRestarts=1");

    let before = process_of(node, "db");
    let said = node.orlop(&["container", "restart", "db"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    checks::wait_other(node, "db", &before);
    assert_eq!(shop::items(node), ["tea", "cocoa"]);
    assert_eq!(checks::processes(node, &["cache", "app", "front"]), others);

    let before = checks::processes(node, &SERVICES);
    let session = shop::ask(node, "/shop/session");
    let killed = node.kill_agent("");
    assert_eq!(shop::ask(node, "/shop/session"), session);
    node.wait_agent(&killed);
    shop::wait_well(node);
    assert_eq!(checks::processes(node, &SERVICES), before);
    assert_eq!(shop::ask(node, "/shop/session"), session);
}

/// Another front, a bad one, and the way back.
fn updated_and_rolled_back(rig: &Rig, node: &Node<'_>) {
    let rest = ["db", "cache", "app"];
    let before = checks::processes(node, &rest);
    let session = shop::ask(node, "/shop/session");
    apply(node, &shop::toml(rig, &[OFTEN, (FRONT_1, "shop/front:2")]));
    let verdict = node.wait_verdict(3);
    assert!(verdict.good, "{verdict:?}\n{}", node.journal());
    assert_eq!(shop::ask(node, "/"), "served by front 2");

    apply(
        node,
        &shop::toml(rig, &[OFTEN, QUICK, (FRONT_1, "shop/front:bad")]),
    );
    let verdict = node.wait_verdict(4);
    let Trigger::Check { check, detail } = &verdict.trigger else {
        panic!("{verdict:?}")
    };
    assert_eq!((verdict.good, verdict.running), (false, 3), "{verdict:?}");
    assert_eq!(check, "container front");
    assert!(detail.contains("403"), "{verdict:?}");
    let why = node.orlop(&["why"]).out;
    assert!(
        why.contains("container front") && why.contains("403"),
        "{why}"
    );
    node.wait_idle_on(3);
    assert_eq!(shop::ask(node, "/"), "served by front 2");

    let said = node.orlop(&["rollback"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    node.wait_idle_on(2);
    assert_eq!(shop::ask(node, "/"), "served by front 1");
    // Nobody else has noticed.
    assert_eq!(checks::processes(node, &rest), before);
    assert_eq!(shop::ask(node, "/shop/session"), session);
    assert_eq!(shop::items(node), ["tea", "cocoa"]);
    shop::wait_well(node);
}

#[test]
fn a_shop_lives_on_through_ten_live_swaps() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    shop::push(&rig.registry);
    let node = shop::empty_node(&rig, "swapped");
    shop::open(&node, &shop::toml(&rig, &[OFTEN]));
    let before = checks::processes(&node, &SERVICES);
    let session = shop::ask(&node, "/shop/session");
    let boots = node.machine.status().unwrap().boots;

    for swap in 0..SWAPS {
        let version = if swap % 2 == 0 { "2" } else { "1" };
        node.swap_to(&rig, version, swap + 3);
        let item = format!("item {swap}");
        assert_eq!(shop::order(&node, &item), (swap + 1).to_string());
        assert_eq!(shop::ask(&node, "/shop/session"), session);
        assert_eq!(checks::processes(&node, &SERVICES), before);
        checks::names_resolve(&node);
        checks::probes_go_on(&node);
        shop::wait_well(&node);
        checks::backed_up(&node, &item);
    }
    assert_eq!(node.machine.status().unwrap().boots, boots);
    checks::logs_are_whole(&node);
    // Nobody has run twice.
    let made = node.run(&[
        "journalctl",
        "--no-pager",
        "--output=cat",
        "--identifier=migrate",
    ]);
    assert_eq!(made.matches("CREATE TABLE").count(), 1, "{made}");

    // A process that ends now is started again as it was, with its secret and its network.
    let old = process_of(&node, "db");
    let kill = ["systemctl", "kill", "--signal=KILL", "--kill-whom=main"];
    node.run(&[&kill[..], &["orlop-container-db.service"]].concat());
    checks::wait_other(&node, "db", &old);
    // The application finds out by a question that its connection is lost.
    assert_ne!(shop::ask(&node, "/shop/session"), session);
    shop::order(&node, "the last");
    assert_eq!(shop::items(&node).len() as u64, SWAPS + 1);
}

/// What the scenarios look at.
#[cfg(test)]
mod checks {
    use super::rig::containers::{outside, process_of};
    use super::rig::node::{Node, SWITCH};
    use super::{HealthState, wait_view};
    use orlop_api::ContainerDetail;
    use std::fs;

    /// When systemd started a container's program, in microseconds.
    fn started(node: &Node<'_>, name: &str) -> u64 {
        let unit = format!("orlop-container-{name}.service");
        let property = "--property=ExecMainStartTimestampMonotonic";
        let text = node.run(&["systemctl", "show", "--value", property, &unit]);
        text.trim().parse().unwrap()
    }

    pub(super) fn came_up_in_order(node: &Node<'_>) {
        let [db, cache, migrate, app, front] =
            ["db", "cache", "migrate", "app", "front"].map(|name| started(node, name));
        assert!(db < migrate && migrate < app && cache < app && app < front);
        let log = node.run(&["journalctl", "--no-pager", "--output=cat"]);
        let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words}: {log}"));
        let in_order = [
            "migrate waits for db to be healthy",
            "database system is ready to accept connections",
            "CREATE TABLE",
            "GET /healthz HTTP/1.1",
        ];
        let found = in_order.map(at);
        assert!(found.is_sorted(), "{found:?}: {log}");
        let waits = |line: &&str| line.starts_with("app waits for ");
        let first = log.lines().find(waits).unwrap_or_default();
        assert!(first.ends_with("migrate to complete"), "{first}: {log}");
        at("front waits for app to be healthy");
    }

    pub(super) fn processes(node: &Node<'_>, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| process_of(node, name)).collect()
    }

    /// Waits until another process of `name` is healthy.
    pub(super) fn wait_other(node: &Node<'_>, name: &str, before: &str) {
        let came = node.machine.wait("another process", SWITCH, || {
            let now = process_of(node, name);
            let pid = |text: &str| {
                text.lines()
                    .find(|line| line.starts_with("MainPID"))
                    .map(str::to_owned)
            };
            match pid(&now) {
                Some(other) if Some(&other) != pid(before).as_ref() && other != "MainPID=0" => {
                    Ok(())
                }
                _ => Err(now),
            }
        });
        came.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
        wait_view(node, name, "a healthy container", |view| {
            view.health == HealthState::Healthy
        });
    }

    /// Waits until a backup has this order.
    pub(super) fn backed_up(node: &Node<'_>, item: &str) {
        let dir = outside(node, "/state/volumes/backups");
        let came = node.machine.wait("a backup", SWITCH, || {
            let entries = fs::read_dir(&dir).map_err(|error| error.to_string())?;
            let texts = entries.filter_map(|entry| {
                let path = entry.ok()?.path();
                let whole = path.extension().is_some_and(|end| end == "sql");
                whole.then(|| fs::read_to_string(path).ok()).flatten()
            });
            let row = |text: String| {
                text.lines()
                    .any(|line| line.ends_with(&format!("\t{item}")))
            };
            match texts.into_iter().any(row) {
                true => Ok(()),
                false => Err(format!("no backup with {item}")),
            }
        });
        came.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    }

    /// Containers find each other by name, also in a new session.
    pub(super) fn names_resolve(node: &Node<'_>) {
        for name in ["db", "cache", "app"] {
            let exec = ["container", "exec", "front", "--", "getent", "hosts", name];
            let said = node.orlop(&exec);
            assert_eq!(said.code, Some(0), "{name}: {said:?}");
            assert!(said.out.starts_with("10.88.10."), "{said:?}");
        }
    }

    /// There are results of every probe from after this.
    pub(super) fn probes_go_on(node: &Node<'_>) {
        for name in super::SERVICES {
            let newest = || {
                let path = format!("/v1/containers/{name}");
                let detail: ContainerDetail = node.api().get(&path).ok()?;
                detail.probes.last().map(|probe| probe.at)
            };
            let last = newest();
            let came = node
                .machine
                .wait("another probe", SWITCH, || match newest() {
                    now if now > last => Ok(()),
                    now => Err(format!("{name}: {now:?}")),
                });
            came.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
        }
    }

    /// The application has told of every order, whichever OS ran.
    pub(super) fn logs_are_whole(node: &Node<'_>) {
        let log = node
            .orlop(&["container", "logs", "--lines", "10000", "app"])
            .out;
        let orders = log.matches("POST /orders HTTP/1.").count() as u64;
        assert_eq!(orders, super::SWAPS, "{log}");
    }
}
