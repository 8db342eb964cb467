//! The shop of docs/examples/shop.toml on the real image, and limits that only a kernel with its own
//! control groups keeps to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(test)]
mod rig;

use hyper::Method;
use orlop_api::{ContainerDetail, ContainerState, ContainerStats, HealthState};
use rig::limits::{percent_of_processor, stats, stats_of, wait_log, wait_view};
use rig::qemu::{Node, QemuRig, expect_good};
use rig::shop::{self, EXAMPLE, PASSWORD, SERVICES};
use std::fs;
use std::time::Duration;

/// The shop takes so long to come up where every instruction is translated.
const LONG: Duration = Duration::from_secs(15 * 60);
const PIDS: u64 = 20;

/// Takes memory until it is refused or killed.
const GREEDY: &str = "
blocks = []
while True:
    blocks.append(b'x' * (1 << 20))
";
/// Has a child that does.
const PARENT: &str = "
import os, time
child = os.fork()
if child == 0:
    blocks = []
    while True:
        blocks.append(b'x' * (1 << 20))
print('the child ends with signal', os.waitpid(child, 0)[1])
time.sleep(1e6)
";
const BUSY: &str = "
while True:
    pass
";
/// Forks until it is refused.
const FORKING: &str = "
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1e6)
        made += 1
except BlockingIOError:
    print('refused after', made)
time.sleep(1e6)
";

/// A container of Python that does harm, if it is let.
fn harmful(image: &str, name: &str, keys: &str, program: &str) -> String {
    format!(
        "\n[container.{name}]\nimage = \"{image}\"\nessential = false\nrestart = \"never\"\n{keys}\n\
         command = [\"python3\", \"-uc\", \"\"\"{program}\"\"\"]\n"
    )
}

/// The example, with the images of `rig`.
fn shop_toml(rig: &QemuRig) -> String {
    let mut text = EXAMPLE.to_owned();
    let mut change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    };
    for (from, tag) in [
        ("registry.example.com/shop/db:17", "db"),
        ("registry.example.com/shop/cache:8", "cache"),
        ("registry.example.com/shop/app:1", "app"),
        ("registry.example.com/shop/front:1", "front-1"),
    ] {
        change(from, &rig.image("shop", tag));
    }
    change("from = \"file\"", "from = \"credential\"");
    // Emulated, everything takes ten times as long.
    change("deadline = \"3m\"", "deadline = \"15m\"");
    change("start = \"30s\"", "start = \"10m\"");
    change("start = \"2m\"", "start = \"10m\"");
    change("timeout = \"5s\"", "timeout = \"30s\"");
    text.push_str(&rig.access_toml());
    text
}

/// The same with the harmful beside it.
fn toml_with_harm(rig: &QemuRig) -> String {
    let image = rig.image("shop", "app");
    [
        shop_toml(rig),
        harmful(&image, "greedy", "memory = \"32 MiB\"", GREEDY),
        harmful(&image, "parent", "memory = \"48 MiB\"", PARENT),
        harmful(&image, "busy", "cpus = 0.5", BUSY),
        harmful(&image, "forking", &format!("pids = {PIDS}"), FORKING),
    ]
    .concat()
}

#[test]
fn a_shop_runs_on_the_real_image_and_no_neighbour_takes_more_than_its_limit() {
    let layout = shop::images();
    let mut rig = QemuRig::with(&[("shop", &layout)]);
    let password = rig.path("password");
    fs::write(&password, PASSWORD).unwrap();
    let credential = "orlop.secret.db-password".to_owned();
    rig.credentials.insert(credential, password);
    let node = rig.boot(&rig.disk());
    let file = rig.path("shop.toml");
    let apply = |toml: String, generation| {
        fs::write(&file, toml).unwrap();
        node.orlop(&["config", "apply", file.to_str().unwrap()]);
        let status = node.0.wait_status("the next generation", LONG, |status| {
            let current = status.current.as_ref();
            status.trial.is_none() && current.is_some_and(|view| view.id == generation)
        });
        expect_good(
            &status.unwrap_or_else(|error| panic!("{error}")),
            generation,
            "1",
        );
    };
    apply(shop_toml(&rig), 2);
    let page = node.wait_web("/");
    assert_eq!(page.body, "served by front 1\n");
    let made = node.send(Method::POST, "/shop/orders", "tea").unwrap();
    assert_eq!(made.body, "1\n");
    let orders = node.send(Method::GET, "/shop/orders", "").unwrap();
    assert_eq!(orders.body, "1 tea\n");

    apply(toml_with_harm(&rig), 3);
    memory_is_limited(&node);
    processor_is_limited(&node);
    processes_are_limited(&node);
    shop_has_not_noticed(&node);
}

/// The one that takes too much is killed, or its process that does, and both say so.
fn memory_is_limited(node: &Node) {
    let greedy = wait_view(node, "greedy", |view| view.state == ContainerState::Exited);
    assert_eq!(greedy.detail, "out of memory: killed by the kernel");
    let detail = node.orlop(&["--json", "container", "inspect", "greedy"]);
    let detail: ContainerDetail = serde_json::from_str(&detail).unwrap();
    assert_eq!(detail.last_exit.as_deref(), Some("out of memory"));

    let signal = wait_log(node, "parent", "the child ends with signal ");
    assert_eq!(signal.trim(), "9");
    let parent = stats_of(node, "parent");
    assert_eq!(
        (parent.memory_max, parent.oom_kills),
        (Some(48 << 20), Some(1))
    );
    wait_view(node, "parent", |view| view.state == ContainerState::Running);
}

fn processor_is_limited(node: &Node) {
    let percent = percent_of_processor(node, "busy");
    assert!((20..60).contains(&percent), "{percent}");
}

fn processes_are_limited(node: &Node) {
    let made = wait_log(node, "forking", "refused after ");
    println!("of {PIDS} processes: {}", made.trim());
    let forking = stats_of(node, "forking");
    assert_eq!(forking.pids_max, Some(PIDS));
    let there = forking.pids.unwrap();
    assert!((PIDS / 2..=PIDS).contains(&there), "{forking:?}");
}

/// All of the shop is healthy and has never ended, within limits of its own.
fn shop_has_not_noticed(node: &Node) {
    for name in SERVICES {
        let view = wait_view(node, name, |view| view.health == HealthState::Healthy);
        assert_eq!(view.restarts, 0, "{view:?}");
    }
    let all = stats(node);
    let shop = |stats: &&ContainerStats| SERVICES.contains(&stats.name.as_str());
    for stats in all.iter().filter(shop) {
        assert_eq!(stats.oom_kills, Some(0), "{stats:?}");
        let (memory, most) = (stats.memory.unwrap(), stats.memory_max.unwrap());
        assert!(0 < memory && memory <= most, "{stats:?}");
        let (pids, most) = (stats.pids.unwrap(), stats.pids_max.unwrap());
        assert!(0 < pids && pids <= most, "{stats:?}");
        assert!(stats.cpu_usec.unwrap() > 0, "{stats:?}");
    }
}
