//! Ten live swaps under containers of every kind at once: imported ones, every kind of network, tasks with
//! schedules, secrets, shared networks. Nobody notices, and everything can still be done afterwards.

#[cfg(test)]
mod rig;

use orlop_api::ContainerState;
use rig::containers::{
    apply, container, file, outside, process_of, runs_of, wait_answer, wait_runs, wait_view,
};
use rig::networks::{self, links, rules, wait_mended};
use rig::node::{Node, Rig};
use rig::{imported, networks::LONE};
use std::fs;

/// Swaps in a row.
const SWAPS: u64 = 10;
/// Where `keeper` is published.
const KEEPER: u16 = 8087;
const KEY: &str = "key of many letters and digits 0123456789";
const LEASES: &str = "orlop/leases.json";
/// A firewall.
const FIREWALL: &str = r#"
[firewall]
inbound = "deny"
allow = ["tcp/7000 from 10.0.2.0/24"]
"#;
/// Services that run from the first swap to the last.
const SERVICES: [&str; 10] = [
    "web", "db", "lone", "safe", "wired", "store", "shop", "side", "keeper", "beside",
];
/// Those that are replaced at the end.
const REPLACED: [&str; 4] = ["lone", "wired", "store", "keeper"];

fn config(rig: &Rig) -> String {
    let keeper = "user = \"1000\"\nread_only = true\ninit = true\nports = [\"8087:8080\"]\n\
                  secrets = { \"/run/key\" = \"key\", KEY = \"key\" }\nvolumes = [\"counts:/data\"]\n\
                  env = { APP_COUNT_TO = \"/data/counts\" }";
    let more = [
        ("wired", networks::ON_WIRE),
        ("keeper", keeper),
        (
            "beside",
            "network = \"container:keeper\"\nenv = { APP_LISTEN = \"127.0.0.1:9090\" }",
        ),
        ("halted", ""),
        ("long", "kind = \"task\"\nessential = false"),
        ("once", "kind = \"task\"\nargs = [\"--exit\", \"0\"]"),
        (
            "beat",
            "kind = \"task\"\nschedule = \"*:*:*\"\nargs = [\"--exit\", \"0\"]",
        ),
    ];
    let more = more.map(|(name, keys)| container(rig, name, keys));
    format!(
        "{}{}{}\n[volume.counts]\n\n[secret.key]\nfrom = \"file\"\n",
        networks::config(rig, &format!("{FIREWALL}{}", networks::WIRE)),
        imported::all(rig),
        more.concat()
    )
}

/// The processes of everything that runs all the time.
fn processes(node: &Node<'_>) -> Vec<(&'static str, String)> {
    let names = SERVICES.into_iter().chain(["long"]);
    names.map(|name| (name, process_of(node, name))).collect()
}

fn wait_well(node: &Node<'_>) {
    imported::wait_well(node);
    for port in [LONE, KEEPER, imported::SHOP, imported::SIDE] {
        wait_answer(node, port, "/healthz");
    }
}

#[test]
fn containers_of_every_kind_live_on_through_ten_live_swaps_and_obey_afterwards() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    let node = rig.node("ten", "1", &rig.config("1"));
    node.wait_idle();
    fs::create_dir_all(outside(&node, "/state/orlop/secrets")).unwrap();
    fs::write(outside(&node, "/state/orlop/secrets/key"), KEY).unwrap();
    let config = config(&rig);
    apply(&node, &config);
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    wait_well(&node);
    wait_runs(&node, "beat", 1);
    wait_runs(&node, "once", 1);
    checks::networks(&node);
    let (before, leases) = (processes(&node), node.read_state(LEASES));
    let wanted = (rules(&node), links(&node));
    let boots = node.machine.status().unwrap().boots;
    let said = node.orlop(&["container", "stop", "halted"]);
    assert_eq!(said.code, Some(0), "{said:?}");

    let mut halted = String::new();
    for swap in 0..SWAPS {
        let version = if swap % 2 == 0 { "2" } else { "1" };
        node.swap_to(&rig, version, swap + 3);
        assert_eq!(processes(&node), before);
        wait_runs(&node, "beat", runs_of(&node, "beat") + 1);
        if swap == 0 {
            // A wish to stop ends with the switch; from then on it is one of the others.
            wait_view(&node, "halted", "a container that was stopped", |view| {
                view.state == ContainerState::Running
            });
            halted = process_of(&node, "halted");
        }
    }
    assert_eq!(process_of(&node, "halted"), halted);
    assert_eq!(node.machine.status().unwrap().boots, boots);
    wait_mended(&node, "the networks after ten swaps", &wanted);
    assert_eq!(node.read_state(LEASES), leases);
    assert_eq!(runs_of(&node, "once"), 1);
    wait_well(&node);
    checks::networks(&node);
    checks::storage(&node);

    for name in SERVICES {
        let said = node.orlop(&["container", "restart", name]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    for ((name, now), (_, old)) in processes(&node).iter().zip(&before) {
        assert_eq!(now == old, *name == "long", "{name}: {now} {old}");
    }
    wait_well(&node);
    checks::networks(&node);
    checks::storage(&node);
    replaced(&node, &config, SWAPS + 3);
}

/// Other containers come in the place of some.
fn replaced(node: &Node<'_>, config: &str, generation: u64) {
    let before = processes(node);
    let mut config = config.to_owned();
    for name in REPLACED {
        let head = format!("[container.{name}]\n");
        assert!(config.contains(&head), "{head}{config}");
        config = config.replace(&head, &format!("{head}hostname = \"another\"\n"));
    }
    apply(node, &config);
    assert!(node.wait_verdict(generation).good, "{}", node.journal());
    wait_well(node);
    for ((name, now), (_, old)) in processes(node).iter().zip(&before) {
        // It shares the network of one of them.
        let other = REPLACED.contains(name) || *name == "beside";
        assert_eq!(now != old, other, "{name}: {now} {old}");
    }
    for port in [LONE, KEEPER] {
        assert_eq!(file(node, port, "/etc/hostname").trim(), "another");
    }
    checks::networks(node);
    checks::storage(node);
}

/// What the scenario looks at.
#[cfg(test)]
mod checks {
    use super::rig::containers::{file, line};
    use super::rig::networks::{
        BY_ADDRESS, BY_LOOPBACK, DB, LONE, RANGE, ask, assert_reached, assert_refused,
        connect_from_lan, on,
    };
    use super::rig::node::{Node, READY, WEB};
    use super::{KEEPER, KEY};
    use orlop_machines::Lan;
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, TcpListener};

    /// Names, isolation, both kinds of addresses, published ports, the way out, firewall and macvlan.
    pub(super) fn networks(node: &Node<'_>) {
        let db = node.machine.wait("the name of db", READY, || {
            match node.ask(WEB, "/resolve/db") {
                Ok(answer) if answer.status.is_success() => Ok(answer.body),
                other => Err(format!("{other:?}")),
            }
        });
        assert_eq!(db.unwrap_or_else(|error| panic!("{error}")), DB);
        for to in ["data:8080", "[fd00:88:1::10]:8080", "safe:8080"] {
            assert_reached(node, WEB, to);
        }
        assert_refused(node, LONE, "10.88.1.10:8080");
        assert_refused(node, LONE, "[fd00:88:1::10]:8080");
        let unknown = node.ask(LONE, "/resolve/db").unwrap();
        assert!(!unknown.status.is_success(), "{}", unknown.body);
        for port in [RANGE + 1, BY_ADDRESS] {
            assert_eq!(ask(node, port, "/"), "hello from 1\n");
        }
        let closed = connect_from_lan(node, on(node.address(), BY_LOOPBACK));
        assert!(closed.is_err());
        // Those that share a network share its loopback interface.
        assert_reached(node, KEEPER, "127.0.0.1:9090");

        let listener = node.inside_lan(|| TcpListener::bind((Lan::gateway(), 0)).unwrap());
        assert_reached(node, WEB, &listener.local_addr().unwrap().to_string());
        assert_eq!(listener.accept().unwrap().1.ip(), node.address());
        // Nobody listens there: a port that is let in refuses, any other says nothing.
        let knock = |port| connect_from_lan(node, on(node.address(), port)).unwrap_err();
        assert_eq!(knock(7000).kind(), ErrorKind::ConnectionRefused);
        assert_eq!(knock(7001).kind(), ErrorKind::TimedOut);
        let wire = on(Ipv4Addr::new(10, 0, 2, 200), 8080);
        let reached = node.machine.wait("the container on the wire", READY, || {
            connect_from_lan(node, wire).map_err(|error| error.to_string())
        });
        reached.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    }

    /// Secrets, a volume that is written to, and the init.
    pub(super) fn storage(node: &Node<'_>) {
        assert_eq!(file(node, KEEPER, "/run/key"), KEY);
        let environment = file(node, KEEPER, "/proc/self/environ");
        let secret = format!("KEY={KEY}");
        assert!(environment.split('\0').any(|one| one == secret));
        let status = file(node, KEEPER, "/proc/1/status");
        assert_eq!(line(&status, "Name:"), "init");
        let before = counts(node);
        let goes_on = node.machine.wait("another count", READY, || {
            let now = counts(node);
            (now > before).then_some(()).ok_or(now.to_string())
        });
        goes_on.unwrap_or_else(|error| panic!("{error}"));
    }

    fn counts(node: &Node<'_>) -> usize {
        node.read_state("volumes/counts/counts").lines().count()
    }
}
