//! A config change disturbs what depends on the changed keys, and nothing else.

#[cfg(test)]
mod rig;

use orlop_api::Phase;
use rig::node::{Node, Rig};
use serde_json::json;
use std::collections::BTreeMap;

/// The kernel's own value of the sysctl that the tests change: each network namespace has it, so that
/// a namespace machine may set it.
const TTL: &str = "/proc/sys/net/ipv4/ip_default_ttl";
const OWN_TTL: &str = "64";

/// The TOML of [`Rig::config`] with two more containers.
fn three_containers(rig: &Rig, db: &str) -> String {
    let image = |tag: &str| rig.image(&format!("test/app:{tag}"));
    format!(
        "{}\n[container.db]\nimage = \"{}\"\n\n[container.cache]\nimage = \"{}\"\n",
        rig.config("1"),
        image(db),
        image("1"),
    )
}

/// Invocation and first process of each service that is active.
fn services(node: &Node<'_>) -> BTreeMap<String, (String, String)> {
    let shown = node.run(&[
        "systemctl",
        "show",
        "--property=Id,InvocationID,MainPID,ActiveState",
        "--type=service",
        "--state=active",
        "*",
    ]);
    let services: BTreeMap<_, _> = shown
        .split("\n\n")
        .map(|unit| {
            let property = |name: &str| {
                let line = unit.lines().find_map(|line| line.strip_prefix(name));
                assert!(line.is_some(), "{name} in {unit}");
                line.unwrap_or_default().to_owned()
            };
            let run = (property("InvocationID="), property("MainPID="));
            (property("Id="), run)
        })
        .collect();
    for expected in [
        "orlopd.service",
        "systemd-networkd.service",
        "systemd-resolved.service",
        "orlop-container-web.service",
        "orlop-container-db.service",
        "orlop-container-cache.service",
    ] {
        let (invocation, pid) = &services[expected];
        assert!(!invocation.is_empty() && pid != "0", "{expected}: {shown}");
    }
    services
}

/// The services that are not the same run as before.
fn restarted(
    before: &BTreeMap<String, (String, String)>,
    after: &BTreeMap<String, (String, String)>,
) -> Vec<String> {
    let names = before.keys().chain(after.keys());
    let mut names: Vec<_> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Switches to another TOML and waits until it is kept.
fn apply(node: &Node<'_>, toml: &str, generation: u64) {
    node.switch("/v1/config/apply", &json!({ "config": toml }));
    let verdict = node.wait_verdict(generation);
    assert!(verdict.good, "{verdict:?}\n{}", node.journal());
    node.wait_idle();
}

#[test]
fn one_sysctl_restarts_systemd_sysctl_alone_and_taken_out_gets_its_old_value_back() {
    let rig = Rig::new();
    let base = three_containers(&rig, "1");
    let node = rig.node("sysctl", "1", &base);
    let problems = node.wait_idle().problems;
    node.wait_web("/");
    assert_eq!(node.setting(TTL), OWN_TTL);
    let before = services(&node);

    let changed =
        format!("{base}\n[kernel]\nsysctl = {{ \"net.ipv4.ip_default_ttl\" = \"77\" }}\n");
    let file = node.put("changed.toml", &changed);
    let plan = node.orlop(&["config", "apply", "--dry-run", &file]);
    assert!(plan.out.contains("restarts systemd-sysctl\n"), "{plan:?}");
    assert!(!plan.out.contains("containers as in"), "{plan:?}");
    apply(&node, &changed, 2);
    assert_eq!(node.setting(TTL), "77");
    let after = services(&node);
    assert_eq!(restarted(&before, &after), ["systemd-sysctl.service"]);
    assert_eq!(node.status().problems, problems);

    apply(&node, &base, 3);
    assert_eq!(node.setting(TTL), OWN_TTL);
    let again = services(&node);
    assert_eq!(restarted(&after, &again), ["systemd-sysctl.service"]);
}

#[test]
fn a_sysctl_that_the_kernel_does_not_have_is_told_and_harms_nothing() {
    let rig = Rig::new();
    let base = rig.config("1");
    let node = rig.node("nosuch", "1", &base);
    node.wait_idle();
    let changed = format!("{base}\n[kernel]\nsysctl = {{ \"net.ipv4.no_such_thing\" = \"1\" }}\n");
    apply(&node, &changed, 2);
    let told = "sysctl net.ipv4.no_such_thing is not there: it is misspelt, or a module has to \
                bring it";
    let status = node.status();
    assert!(
        status.problems.iter().any(|problem| problem == told),
        "{status:?}"
    );
    assert_eq!(status.phase, Phase::Idle);
    apply(&node, &base, 3);
    assert!(!node.status().problems.iter().any(|problem| problem == told));
}

#[test]
fn name_servers_and_interfaces_reload_their_services_whose_processes_go_on() {
    let rig = Rig::new();
    let base = three_containers(&rig, "1");
    let node = rig.node("network", "1", &base);
    node.wait_idle();
    node.wait_web("/");
    let before = services(&node);
    let changed = format!(
        "{base}\n[network]\ndns = [\"10.0.2.99\"]\n[network.interface.spare0]\n\
         addresses = [\"10.77.0.1/24\"]\n"
    );
    apply(&node, &changed, 2);
    assert!(node.run(&["resolvectl", "dns"]).contains("10.0.2.99"));
    let networks = "/etc/systemd/network/40-orlop-spare0.network";
    assert!(node.read(networks).contains("Address=10.77.0.1/24"));
    let after = services(&node);
    assert_eq!(restarted(&before, &after), Vec::<String>::new());
    node.wait_web("/");

    apply(&node, &base, 3);
    assert!(!node.run(&["resolvectl", "dns"]).contains("10.0.2.99"));
    assert!(!node.has(networks));
}

#[test]
fn of_three_containers_the_one_with_a_new_image_restarts_alone() {
    let rig = Rig::new();
    let node = rig.node("three", "1", &three_containers(&rig, "1"));
    node.wait_idle();
    node.wait_web("/");
    let before = services(&node);
    apply(&node, &three_containers(&rig, "2"), 2);
    let after = services(&node);
    assert_eq!(restarted(&before, &after), ["orlop-container-db.service"]);
}
