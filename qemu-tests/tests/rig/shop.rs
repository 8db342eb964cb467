//! The shop of docs/examples/shop.toml: PostgreSQL, redis, an application and nginx from Debian packages.

use super::containers::{outside, wait_answer, wait_view};
use super::node::{Node, Rig};
use hyper::Method;
use orlop_api::{ContainerState, HealthState};
use orlop_machines::Registry;
use serde_json::json;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const EXAMPLE: &str = include_str!("../../../docs/examples/shop.toml");
/// Where the front is published.
pub(crate) const FRONT: u16 = 8080;
pub(crate) const PASSWORD: &str = "a horse, a battery; \"a staple\" & 42";
/// The registry of the example.
const REGISTRY: &str = "registry.example.com";
/// Services of the example.
pub(crate) const SERVICES: [&str; 4] = ["db", "cache", "app", "front"];

/// The images of the shop, as the build's own script makes them.
pub(crate) fn images() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join("buildroot/workloads/build.sh"))
        .arg(root.join("build/cache"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Puts the images of the shop where the example expects them.
pub(crate) fn push(registry: &Registry) {
    let layout = images();
    for (image, tag) in [("db", "17"), ("cache", "8"), ("app", "1")] {
        let to = format!("shop/{image}");
        registry.push_as(&layout, image, &to, tag).unwrap();
    }
    for version in ["1", "2", "bad"] {
        push_front(registry, version, version);
    }
}

/// Lets `shop/front:TAG` stand for a version of the front: `1`, `2` or `bad`.
pub(crate) fn push_front(registry: &Registry, version: &str, tag: &str) {
    let image = format!("front-{version}");
    let pushed = registry.push_as(&images(), &image, "shop/front", tag);
    pushed.unwrap();
}

/// The example, with the registry of the test, and `changes` of its text, each of which must be in it.
pub(crate) fn toml(rig: &Rig, changes: &[(&str, &str)]) -> String {
    let registry = rig.registry.name_for_machines();
    let mut text = EXAMPLE.replace(REGISTRY, &registry);
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    format!("{text}\n{}", registry_toml(&registry))
}

fn registry_toml(registry: &str) -> String {
    format!("[registry.\"{registry}\"]\nplain_http = true\n")
}

/// Boots a node that has the password and nothing else.
pub(crate) fn empty_node<'a>(rig: &'a Rig, name: &str) -> Node<'a> {
    let config = format!(
        "schema = 1\n{}",
        registry_toml(&rig.registry.name_for_machines())
    );
    let node = rig.node(name, "1", &config);
    node.wait_idle();
    let secrets = outside(&node, "/state/orlop/secrets");
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(&secrets).unwrap();
    fs::write(secrets.join("db-password"), PASSWORD).unwrap();
    node
}

/// Brings the shop up on an empty node.
pub(crate) fn open(node: &Node<'_>, config: &str) {
    node.job("/v1/config/apply", &json!({ "config": config }));
    let verdict = node.wait_verdict(2);
    assert!(verdict.good, "{verdict:?}\n{}", node.journal());
    wait_well(node);
}

/// Waits until every service is healthy and the task is done.
pub(crate) fn wait_well(node: &Node<'_>) {
    for name in SERVICES {
        wait_view(node, name, "a healthy service", |view| {
            view.health == HealthState::Healthy
        });
    }
    wait_view(node, "migrate", "the end of a task", |view| {
        view.state == ContainerState::Completed
    });
}

/// Places an order from outside; its number.
pub(crate) fn order(node: &Node<'_>, item: &str) -> String {
    let answer = node.send(FRONT, Method::POST, "/shop/orders", item);
    let answer = answer.unwrap();
    assert!(answer.status.is_success(), "{}", answer.body);
    answer.body.trim().to_owned()
}

/// What the shop says from outside, once it says anything good.
pub(crate) fn ask(node: &Node<'_>, path: &str) -> String {
    wait_answer(node, FRONT, path).trim().to_owned()
}

/// What was ordered. PostgreSQL's numbers go on further up after a crash.
pub(crate) fn items(node: &Node<'_>) -> Vec<String> {
    let orders = ask(node, "/shop/orders");
    let item = |line: &str| line.split_once(' ').map(|(_, item)| item.to_owned());
    orders.lines().filter_map(item).collect()
}
