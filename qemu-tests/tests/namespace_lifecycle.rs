//! Containers that are not enabled, tasks that run once in a node's life, what its probe stops, and what a container
//! has of the host's time zone and mounts, on namespace machines.

#[cfg(test)]
mod rig;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use orlop_api::{ContainerState, ContainerView};
use rig::containers::{
    apply, config, container, file, outside, runs_of, views, wait_answer, wait_view,
};
use rig::node::{Node, Rig};
use std::fs;

/// Where further containers are published.
const PORT: u16 = 8087;
const OTHER_PORT: u16 = 8088;

fn wait_done(node: &Node<'_>) {
    let done = wait_view(node, "prepare", "a task that is done", |view| {
        view.state == ContainerState::Completed
    });
    assert!(
        done.detail
            .starts_with("done once and for all in generation "),
        "{}",
        done.detail
    );
}

#[test]
fn a_task_that_runs_once_runs_once_whatever_comes_unless_an_operator_starts_it() {
    let rig = Rig::new();
    let with = |colour: &str| {
        let keys = format!(
            "kind = \"task\"\nrun = \"once\"\nargs = [\"--exit\", \"0\"]\nenv = {{ COLOUR = \"{colour}\" }}"
        );
        let waits = format!("after = {{ prepare = \"completed\" }}\nports = [\"{PORT}:8080\"]");
        config(
            &rig,
            &[
                container(&rig, "prepare", &keys),
                container(&rig, "waits", &waits),
            ],
        )
    };
    let node = rig.node("once", "1", &with("red"));
    node.wait_idle();
    wait_answer(&node, PORT, "/");
    wait_done(&node);
    assert_eq!(runs_of(&node, "prepare"), 1);

    let agent = node.kill_agent("");
    node.wait_agent(&agent);
    node.wait_idle();
    apply(&node, &with("blue"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    wait_done(&node);
    rig.push_os("2");
    node.swap_to(&rig, "2", 3);
    wait_done(&node);
    assert_eq!(runs_of(&node, "prepare"), 1, "{}", node.journal());

    node.machine.cut_power().unwrap();
    node.machine.power_on().unwrap();
    // Who waits for it goes on.
    wait_answer(&node, PORT, "/");
    wait_done(&node);
    assert_eq!(runs_of(&node, "prepare"), 1, "{}", node.journal());

    let said = node.orlop(&["container", "start", "prepare"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_done(&node);
    assert_eq!(runs_of(&node, "prepare"), 2, "{}", node.journal());
}

#[test]
fn what_is_not_enabled_is_not_on_the_node_and_what_its_probe_stops_stays_stopped() {
    let rig = Rig::new();
    let keys = format!("ports = [\"{PORT}:8080\"]\nvolumes = [\"kept:/data\"]");
    let off = format!(
        "\n[volume.kept]\n[container.later]\nenabled = false\nimage = \"{}\"\n{keys}\n",
        rig.image("test/nowhere:1")
    );
    let sick = container(
        &rig,
        "sick",
        "essential = false\nargs = [\"--sick\"]\n\
         health = { http = \":8080/healthz\", every = \"200ms\", retries = 2, unhealthy = \"stop\" }",
    );
    let node = rig.node("enabled", "1", &config(&rig, &[off.clone(), sick.clone()]));
    node.wait_idle();
    let stopped = wait_view(
        &node,
        "sick",
        "a container that its probe has stopped",
        |view| view.state == ContainerState::Stopped,
    );
    assert!(
        stopped
            .detail
            .starts_with("stopped by its probe, which failed: "),
        "{}",
        stopped.detail
    );
    let disabled = view_of(&node, "later");
    assert_eq!(disabled.state, ContainerState::Disabled);
    let said = node.orlop(&["container", "start", "later"]);
    assert_eq!(
        said.err,
        "error: container later is not enabled\n\
         hint: apply a config without `enabled = false` in [container.later]\n"
    );
    let said = node.orlop(&["container", "ls"]);
    assert!(said.out.contains("disabled"), "{said:?}");

    let on = format!("\n[volume.kept]\n{}", container(&rig, "later", &keys));
    apply(&node, &config(&rig, &[on, sick.clone()]));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    wait_answer(&node, PORT, "/");
    let bundle = outside(&node, "/run/orlop/containers/later");
    assert!(bundle.exists());
    apply(&node, &config(&rig, &[off, sick]));
    assert!(node.wait_verdict(3).good, "{}", node.journal());
    assert!(!bundle.exists());
    assert!(node.ask(PORT, "/").is_err());
    assert!(outside(&node, "/state/volumes/kept").exists());
}

fn view_of(node: &Node<'_>, name: &str) -> ContainerView {
    let mut all = views(node).into_iter();
    all.find(|view| view.name == name)
        .expect("it is in the config")
}

/// Mounts a memory file system at `path` as a program of the container would.
fn mount_inside(node: &Node<'_>, name: &str, path: &str) {
    let pid = view_of(node, name).pid.expect("it runs");
    let namespace =
        fs::File::open(outside(node, &format!("/proc/{pid}/ns/mnt"))).expect("its mounts");
    let mounted = std::thread::scope(|scope| {
        let inside = || -> nix::Result<()> {
            unshare(CloneFlags::CLONE_FS)?;
            setns(&namespace, CloneFlags::CLONE_NEWNS)?;
            let nothing = None::<&str>;
            mount(Some("disk"), path, Some("tmpfs"), MsFlags::empty(), nothing)
        };
        scope.spawn(inside).join()
    });
    mounted.expect("no panic").expect("a mount");
}

#[test]
fn mounts_reach_a_container_as_it_says_and_it_has_the_time_zone_and_resolver_that_it_says() {
    let rig = Rig::new();
    let follows = format!(
        "ports = [\"{PORT}:8080\"]\nbinds = [\"/mnt:/follows\", \"/mnt:/private:rprivate\"]\n\
         timezone = \"Europe/Berlin\"\ndns_options = [\"ndots:2\"]"
    );
    let shares = format!(
        "ports = [\"{OTHER_PORT}:8080\"]\nbinds = [\"/mnt:/shares:rshared\"]\nprivileged = true"
    );
    let text = config(
        &rig,
        &[
            container(&rig, "follows", &follows),
            container(&rig, "shares", &shares),
        ],
    );
    let node = rig.node("binds", "1", &text);
    node.wait_idle();
    wait_answer(&node, PORT, "/");
    wait_answer(&node, OTHER_PORT, "/");
    let rules = fs::read(outside(&node, "/usr/share/zoneinfo/Europe/Berlin")).unwrap();
    let pid = view_of(&node, "follows").pid.unwrap();
    let inside = |path: &str| fs::read(outside(&node, &format!("/proc/{pid}/root{path}"))).unwrap();
    assert_eq!(inside("/etc/localtime"), rules);
    assert!(file(&node, PORT, "/etc/resolv.conf").contains("options ndots:2\n"));

    // As a disk that is plugged in.
    fs::create_dir(outside(&node, "/mnt/disk")).unwrap();
    node.run(&["mount", "-t", "tmpfs", "disk", "/mnt/disk"]);
    fs::write(outside(&node, "/mnt/disk/page"), "from the disk\n").unwrap();
    let page = |port, place: &str| {
        let answer = node.ask(port, &format!("/file/{place}/disk/page")).unwrap();
        answer.status.is_success().then_some(answer.body)
    };
    let seen = || {
        [
            page(PORT, "follows"),
            page(PORT, "private"),
            page(OTHER_PORT, "shares"),
        ]
    };
    let disk = || Some("from the disk\n".to_owned());
    assert_eq!(seen(), [disk(), None, disk()]);
    // The other way, as a container that mounts disks for all.
    fs::create_dir(outside(&node, "/mnt/other")).unwrap();
    mount_inside(&node, "shares", "/shares/other");
    fs::write(outside(&node, "/mnt/other/page"), "from a container\n").unwrap();
    assert_eq!(
        file(&node, OTHER_PORT, "/shares/other/page"),
        "from a container\n"
    );
    assert_eq!(
        file(&node, PORT, "/follows/other/page"),
        "from a container\n"
    );
    // It stays where it is over a live swap, for the host and for what is started then.
    rig.push_os("2");
    node.swap_to(&rig, "2", 2);
    assert_eq!(seen(), [disk(), None, disk()]);
    assert!(
        outside(&node, "/mnt/disk/page").exists(),
        "{}",
        node.journal()
    );
    node.orlop(&["container", "restart", "follows"]);
    wait_answer(&node, PORT, "/");
    assert_eq!(page(PORT, "follows"), disk());
}
