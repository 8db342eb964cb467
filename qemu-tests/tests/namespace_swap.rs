//! Live swaps on namespace machines: the OS changes under the containers, which do not notice.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerState, Trigger};
use orlop_machines::{count_times, longest_gap};
use rig::containers::{
    apply, config, container, outside, process_of, runs_of, wait_answer, wait_runs, wait_view,
};
use rig::node::{Node, Rig};
use rig::witness::StreamWitness;
use std::fs;
use std::time::Duration;

/// Swaps in a row.
const SWAPS: u64 = 10;
/// The counter counts every 20 ms; nothing may hold it up for longer than this.
const LONGEST_GAP: Duration = Duration::from_millis(250);

/// Where the container `confined` is published.
const CONFINED: u16 = 8081;

/// The TOML of [`Rig::config`] with a second container, which counts into a volume.
fn with_counter(rig: &Rig) -> String {
    let image = rig.image("test/app:1");
    rig.config("1")
        + &format!(
            r#"
[volume.counts]

[container.counter]
image = "{image}"
env = {{ APP_COUNT_TO = "/data/counts" }}
volumes = ["counts:/data"]
"#
        )
}

/// The file system that is mounted as the root of `web`, by its device's number.
fn root_of_web(node: &Node<'_>) -> Option<String> {
    let init = node.machine.status().ok()?.init?;
    let mounts = fs::read_to_string(format!("/proc/{init}/mountinfo")).ok()?;
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    mounts.find_map(|mut mount| {
        let device = mount.nth(2)?.to_owned();
        (mount.nth(1)? == "/run/orlop/containers/web/rootfs").then_some(device)
    })
}

#[test]
fn ten_live_swaps_change_the_os_and_no_container_notices() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    let node = rig.node("swap", "1", &with_counter(&rig));
    node.wait_idle();
    let started = node.wait_web("/started");
    let processes = || ["web", "counter"].map(|name| process_of(&node, name));
    let before = processes();
    let boots = node.machine.status().unwrap().boots;
    let root = root_of_web(&node);
    assert!(root.is_some());
    let witness = StreamWitness::on(node.connect_web().unwrap()).unwrap();
    // The sixth within ten seconds would be systemd's last, and leave a node without services.
    let properties = "--property=StartLimitIntervalUSec,FailureAction";
    let unit = node.run(&[
        "systemctl",
        "show",
        properties,
        "systemd-soft-reboot.service",
    ]);
    assert_eq!(
        unit.trim(),
        "StartLimitIntervalUSec=0\nFailureAction=reboot-force"
    );

    for swap in 0..SWAPS {
        let version = if swap % 2 == 0 { "2" } else { "1" };
        node.swap_to(&rig, version, swap + 2);
        assert_eq!(node.wait_web("/started"), started);
        assert_eq!(processes(), before);
        assert_eq!(root_of_web(&node), root);
        println!(
            "swap {swap}: to {version}, longest gap on the connection {:?}",
            witness.longest_gap()
        );
    }
    assert_eq!(node.machine.status().unwrap().boots, boots);
    let journal = [
        "journalctl",
        "--no-pager",
        "--output=cat",
        "--unit=orlopd.service",
    ];
    let journal = node.run(&journal);
    assert!(!journal.contains("has lost its network"), "{journal}");
    let (lines, gap) = witness.end();
    println!("{lines} lines on one connection, longest gap {gap:?}");
    let counts = node.read_state("volumes/counts/counts");
    let times = count_times(&counts).unwrap();
    let gap = longest_gap(&times);
    println!("{} counts, longest gap {gap:?}", times.len());
    assert!(gap <= LONGEST_GAP, "{gap:?}");
}

/// Containers that a swap could do harm to, and more of the TOML for them.
fn of_every_kind(rig: &Rig) -> Vec<String> {
    let confined = "user = \"1000\"\nread_only = true\nsecrets = { \"/run/key\" = \"key\" }\n\
                    binds = [\"/var/srv/app:/host:ro\"]\nhost = [\"dbus\"]\nports = [\"8081:8080\"]";
    vec![
        container(rig, "confined", confined),
        container(
            rig,
            "beside",
            "network = \"container:confined\"\nenv = { APP_LISTEN = \"127.0.0.1:9090\" }",
        ),
        container(rig, "job", "kind = \"task\"\nessential = false"),
        container(rig, "long", "kind = \"task\"\nschedule = \"*:*:*\""),
        container(
            rig,
            "beat",
            "kind = \"task\"\nschedule = \"*:*:*\"\nargs = [\"--exit\", \"0\"]",
        ),
        container(
            rig,
            "waiting",
            "after = { job = \"completed\" }\nessential = false",
        ),
        container(rig, "reader", "binds = [\"/usr/share:/os:ro\"]"),
        "\n[secret.key]\nfrom = \"file\"\npath = \"/usr/lib/os-release\"\n".to_owned(),
    ]
}

#[test]
fn tasks_and_their_schedules_secrets_and_shared_networks_live_on_through_a_live_swap() {
    let rig = Rig::new();
    rig.push_os("2");
    let node = rig.node("kinds", "1", &rig.config("1"));
    node.wait_idle();
    fs::create_dir_all(outside(&node, "/var/srv/app")).unwrap();
    fs::write(outside(&node, "/var/srv/app/page"), "from the host\n").unwrap();
    apply(&node, &config(&rig, &of_every_kind(&rig)));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_idle();
    for name in ["job", "long"] {
        wait_view(&node, name, "a task that runs", |view| {
            view.state == ContainerState::Running
        });
    }
    wait_runs(&node, "beat", 1);
    let processes = || ["confined", "beside", "job", "long"].map(|name| process_of(&node, name));
    let before = processes();
    let reader = process_of(&node, "reader");
    let secret = wait_answer(&node, CONFINED, "/file/run/key");

    node.update(&rig.image("orlop/os:2"));
    let verdict = node.wait_verdict(3);
    assert_eq!(
        verdict.trigger,
        Trigger::Gate,
        "{verdict:?}\n{}",
        node.journal()
    );
    let status = node.wait_idle();
    assert_eq!(status.os_release.as_deref(), Some("2"));
    assert_eq!(processes(), before);
    // What it read is another OS's now.
    assert_ne!(process_of(&node, "reader"), reader);
    // A secret is as it was when its container was set up.
    assert!(secret.contains("ID=") && wait_answer(&node, CONFINED, "/file/run/key") == secret);
    assert_eq!(
        wait_answer(&node, CONFINED, "/file/host/page"),
        "from the host\n"
    );
    for way in ["bus", "connect/127.0.0.1:9090"] {
        let answer = node.ask(CONFINED, &format!("/try/{way}")).unwrap();
        assert!(answer.status.is_success(), "{way}: {}", answer.body);
    }
    wait_runs(&node, "beat", runs_of(&node, "beat") + 2);
    wait_view(&node, "waiting", "one that waits", |view| {
        view.state == ContainerState::Waiting
    });
    let beats = node.run(&[
        "journalctl",
        "--no-pager",
        "--output=cat",
        "--identifier=beat",
    ]);
    assert!(
        beats.lines().all(|line| line.ends_with("with status 0")),
        "{beats}"
    );
    assert_eq!(processes(), before);
}

#[test]
fn a_live_swap_whose_gate_fails_swaps_back() {
    let rig = Rig::new();
    rig.push_os("2");
    let config = rig.config("1").replace(
        "[container.web]",
        "[[gate.check]]\ntcp = \"127.0.0.1:1\"\n\n[container.web]",
    );
    let node = rig.node("back", "1", &rig.config("1"));
    node.wait_idle();
    let started = node.wait_web("/started");
    let boots = node.machine.status().unwrap().boots;
    let config = format!("{config}\n[os]\nimage = \"{}\"\n", rig.image("orlop/os:2"));
    node.switch("/v1/config/apply", &serde_json::json!({ "config": config }));
    let verdict = node.wait_verdict(2);
    assert_eq!((verdict.good, verdict.running), (false, 1), "{verdict:?}");
    let Trigger::Check { check, .. } = &verdict.trigger else {
        panic!("{verdict:?}")
    };
    assert_eq!(check, "tcp 127.0.0.1:1");
    let status = node.wait_idle();
    assert_eq!(status.os_release.as_deref(), Some("1"));
    assert_eq!(node.wait_web("/started"), started);
    assert_eq!(node.machine.status().unwrap().boots, boots);
}
