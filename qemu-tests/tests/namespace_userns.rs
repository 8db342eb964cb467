//! User namespaces of containers on a real node: who a container's root is on the host, what that changes for
//! volumes, files and commands, and who is left in the host's.

#[cfg(test)]
mod rig;

use checks::{
    commands_and_copies, inspect, links, nothing_is_left, nothing_is_left_after, owner_on_disk,
    pid_of, proc_of, root_of, writes,
};
use orlop_api::HealthState;
use rig::containers::{config, container, file, line, outside, wait_answer, wait_runs, wait_view};
use rig::node::Rig;
use std::collections::BTreeSet;
use std::fs;

const ONE: u16 = 8081;
const TWO: u16 = 8082;
const USER: u16 = 8083;
/// So many ids has a container.
const IDS: u32 = 65_536;

/// Two that share a volume, one whose program is not root's, a task.
fn of_their_own(rig: &Rig) -> Vec<String> {
    let probe = "health = { exec = [\"/app\", \"--exit\", \"0\"], every = \"1s\" }";
    let one = format!(
        "ports = [\"{ONE}:80\"]\nenv = {{ APP_LISTEN = \"0.0.0.0:80\" }}\nvolumes = [\"shared:/data\"]\n\
         secrets = {{ \"/run/key\" = \"key\" }}\ntmpfs = {{ \"/tmp\" = \"1 MiB\" }}\n{probe}"
    );
    let two = format!("ports = [\"{TWO}:8080\"]\nvolumes = [\"shared:/data\"]");
    let user = format!(
        "ports = [\"{USER}:8080\"]\nuser = \"1000:1001\"\nvolumes = [\"users:/data\"]\n\
         secrets = {{ \"/run/key\" = \"key\" }}\ncapabilities = {{ add = [\"net_raw\"] }}\n\
         [container.user.files.\"/etc/app.toml\"]\ncontent = \"listen = 80\"\nmode = \"0400\""
    );
    vec![
        "\n[volume.shared]\n[volume.users]\n[secret.key]\nfrom = \"file\"\n\
         path = \"/usr/lib/os-release\"\n"
            .to_owned(),
        container(rig, "one", &one),
        container(rig, "two", &two),
        container(rig, "user", &user),
        container(
            rig,
            "beside",
            "network = \"container:one\"\nenv = { APP_LISTEN = \"127.0.0.1:9\" }",
        ),
        container(rig, "alone", &format!("network = \"none\"\n{probe}")),
        container(
            rig,
            "beat",
            "kind = \"task\"\nschedule = \"*:*:*\"\nargs = [\"--exit\", \"0\"]",
        ),
    ]
}

#[test]
fn a_containers_root_is_nobody_on_the_host_and_its_files_keep_their_owners_on_disk() {
    let rig = Rig::new();
    let node = rig.node("mapped", "1", &config(&rig, &of_their_own(&rig)));
    node.wait_idle();
    assert_eq!(wait_answer(&node, ONE, "/"), "hello from 1\n");
    let (one, two, user) = (
        root_of(&node, "one"),
        root_of(&node, "two"),
        root_of(&node, "user"),
    );
    assert!(one >= IDS && two >= IDS && one.abs_diff(two) >= IDS && one.abs_diff(user) >= IDS);
    assert_eq!(root_of(&node, "beside"), one);
    assert_ne!(root_of(&node, "alone"), one);
    let whose = |name: &str| {
        let status = proc_of(&node, name, "status");
        line(&status, "Uid:").split('\t').next().unwrap().to_owned()
    };
    assert_eq!(whose("one"), one.to_string());
    assert_eq!(whose("user"), (user + 1000).to_string());
    let status = file(&node, USER, "/proc/self/status");
    assert_eq!(line(&status, "Uid:"), "1000\t1000\t1000\t1000");
    assert_eq!(
        links(&node, "one"),
        BTreeSet::from(["eth0", "lo"].map(str::to_owned))
    );

    writes(&node, ONE, "data/x");
    writes(&node, TWO, "data/x");
    writes(&node, TWO, "data/y");
    writes(&node, USER, "data/z");
    writes(&node, ONE, "tmp/x");
    writes(&node, ONE, "layer");
    assert_eq!(file(&node, ONE, "/data/y"), "written");
    for (path, owner) in [
        ("volumes/shared/x", (0, 0)),
        ("volumes/shared/y", (0, 0)),
        ("volumes/users/z", (1000, 1001)),
        ("containers/one/upper/layer", (0, 0)),
    ] {
        assert_eq!(
            owner_on_disk(&node, &format!("/state/{path}")),
            owner,
            "{path}"
        );
    }
    assert!(file(&node, USER, "/run/key").contains("NAME="));
    assert_eq!(file(&node, USER, "/etc/app.toml"), "listen = 80");
    let detail = inspect(&node, "one");
    assert_eq!(detail.host_ids, Some(format!("{one}-{}", one + IDS - 1)));
    assert_eq!(detail.userns, "");
    for name in ["one", "alone"] {
        wait_view(&node, name, "a probe that passes", |view| {
            view.health == HealthState::Healthy
        });
    }
    wait_runs(&node, "beat", 2);
    commands_and_copies(&node, user);
    // The OCI runtime gives what it is started with to the container's user.
    let input = format!("/proc/{}/fd/0", pid_of(&node, "user"));
    let input = fs::read_link(outside(&node, &input)).unwrap();
    assert_eq!(input.to_str(), Some("/run/orlop/containers/user/input"));
    nothing_is_left(&rig, &node);
}

#[test]
fn who_needs_the_hosts_user_namespace_has_it_and_says_why() {
    let rig = Rig::new();
    let all = [
        ("plain", "userns = \"host\"", "`userns = \"host\"`"),
        ("every", "privileged = true", "`privileged`"),
        ("seer", "host = [\"pid\"]", "`host = [\"pid\"]`"),
        (
            "clock",
            "capabilities = { add = [\"sys_time\"] }",
            "the capability `sys_time`",
        ),
        (
            "binder",
            "binds = [\"/var/log:/log:ro\"]",
            "the host's /var/log",
        ),
        (
            "sharer",
            "network = \"container:plain\"\nenv = { APP_LISTEN = \"127.0.0.1:9\" }",
            "the network of plain: `userns = \"host\"`",
        ),
    ];
    let more = all.map(|(name, keys, _)| container(&rig, name, keys));
    let open = container(
        &rig,
        "open",
        "binds = [\"/usr/share:/share:ro\"]\nuserns = \"own\"",
    );
    let node = rig.node("hosts", "1", &config(&rig, &[&more[..], &[open]].concat()));
    node.wait_idle();
    node.wait_web("/");
    for (name, _, why) in all {
        assert_eq!(root_of(&node, name), 0, "{name}");
        let detail = inspect(&node, name);
        assert_eq!(
            (detail.host_ids, detail.userns.as_str()),
            (None, why),
            "{name}"
        );
    }
    assert!(root_of(&node, "open") >= IDS);
}

#[test]
fn a_live_swap_and_a_killed_agent_leave_user_namespaces_alone_and_containers_can_be_restarted() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    let node = rig.node("kept", "1", &config(&rig, &of_their_own(&rig)));
    node.wait_idle();
    wait_answer(&node, ONE, "/");
    let names = ["web", "one", "two", "user", "beside", "alone"];
    let state = || names.map(|name| (pid_of(&node, name), root_of(&node, name)));
    let before = state();
    node.run(&["systemctl", "kill", "--signal=KILL", "orlopd.service"]);
    node.wait_idle();
    assert_eq!(state(), before);
    node.update(&rig.image("orlop/os:2"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    assert_eq!(node.wait_idle().os_release.as_deref(), Some("2"));
    assert_eq!(state(), before, "{}", node.journal());
    writes(&node, ONE, "data/x");
    for name in names {
        let ended = node.orlop(&["container", "restart", name]);
        assert_eq!(ended.code, Some(0), "{ended:?} {}", node.journal());
    }
    wait_answer(&node, ONE, "/");
    wait_answer(&node, USER, "/");
    let after = state();
    for (before, after) in before.into_iter().zip(after) {
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
    }
    writes(&node, ONE, "data/x");
    writes(&node, USER, "data/z");
    assert_eq!(owner_on_disk(&node, "/state/volumes/shared/x"), (0, 0));
    nothing_is_left_after(&rig, &node);
}

/// What the scenarios look at and do.
#[cfg(test)]
mod checks {
    use super::rig::containers::{apply, outside};
    use super::rig::node::{Node, Rig};
    use orlop_api::ContainerDetail;
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    /// The process of a container's service.
    pub(super) fn pid_of(node: &Node<'_>, name: &str) -> u32 {
        let unit = format!("orlop-container-{name}.service");
        let pid = node.run(&["systemctl", "show", "--property=MainPID", "--value", &unit]);
        pid.trim().parse().unwrap()
    }

    /// A file of `/proc` of a container's process, as the host sees it.
    pub(super) fn proc_of(node: &Node<'_>, name: &str, file: &str) -> String {
        let path = format!("/proc/{}/{file}", pid_of(node, name));
        fs::read_to_string(outside(node, &path)).unwrap()
    }

    /// The network links that a container sees in its `/sys`.
    pub(super) fn links(node: &Node<'_>, name: &str) -> BTreeSet<String> {
        let path = format!("/proc/{}/root/sys/class/net", pid_of(node, name));
        let entries = fs::read_dir(outside(node, &path)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    /// The host's id of a container's root, by its process.
    pub(super) fn root_of(node: &Node<'_>, name: &str) -> u32 {
        let map = proc_of(node, name, "uid_map");
        assert_eq!(map, proc_of(node, name, "gid_map"));
        let fields: Vec<u32> = map
            .split_whitespace()
            .map(|field| field.parse().unwrap())
            .collect();
        assert_eq!(fields[0], 0, "{map}");
        fields[1]
    }

    pub(super) fn owner_on_disk(node: &Node<'_>, path: &str) -> (u32, u32) {
        let found = fs::metadata(outside(node, path)).unwrap();
        (found.uid(), found.gid())
    }

    pub(super) fn inspect(node: &Node<'_>, name: &str) -> ContainerDetail {
        let path = format!("/v1/containers/{name}");
        node.api().get(&path).unwrap()
    }

    pub(super) fn writes(node: &Node<'_>, port: u16, path: &str) {
        let answer = node.ask(port, &format!("/try/write/{path}")).unwrap();
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
    }

    /// Commands run, and what is copied in is the container's root's.
    pub(super) fn commands_and_copies(node: &Node<'_>, user: u32) {
        let ended = node.orlop(&["container", "exec", "one", "--", "/app", "--exit", "3"]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        let ended = node.orlop(&["container", "exec", "user", "--", "/app", "--exit", "0"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let copy = |from: &str, to: &str| {
            let copied = node.orlop(&["container", "cp", from, to]);
            assert_eq!(copied.code, Some(0), "{copied:?}");
        };
        fs::write(outside(node, "/run/given"), "given").unwrap();
        copy("/run/given", "one:/data/given");
        copy("/run/given", "one:/tmp/given");
        copy("/run/given", "user:/given");
        assert_eq!(owner_on_disk(node, "/state/volumes/shared/given"), (0, 0));
        assert_eq!(
            owner_on_disk(node, "/state/containers/user/upper/given"),
            (0, 0)
        );
        let seen = format!("/proc/{}/root/given", pid_of(node, "user"));
        assert_eq!(owner_on_disk(node, &seen), (user, user));
        copy("user:/data/z", "/run/taken");
        assert_eq!(
            fs::read_to_string(outside(node, "/run/taken")).unwrap(),
            "written"
        );
    }

    /// No mount, folder or namespace of what is gone.
    pub(super) fn nothing_is_left(rig: &Rig, node: &Node<'_>) {
        apply(node, &rig.config("1"));
        assert!(node.wait_verdict(2).good, "{}", node.journal());
        node.wait_idle();
        let mounts = fs::read_to_string(outside(node, "/proc/1/mountinfo")).unwrap();
        let ours: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|path| {
                path.starts_with("/run/orlop/containers/") || path.starts_with("/run/netns/")
            })
            .collect();
        assert_eq!(
            ours,
            [
                "/run/orlop/containers/web/rootfs",
                "/run/orlop/containers/web/userns",
                "/run/netns/orlop-web"
            ],
            "{mounts}"
        );
        let bundles = fs::read_dir(outside(node, "/run/orlop/containers")).unwrap();
        assert_eq!(bundles.count(), 1);
    }

    pub(super) fn nothing_is_left_after(rig: &Rig, node: &Node<'_>) {
        apply(node, &rig.config("1"));
        assert!(node.wait_verdict(3).good, "{}", node.journal());
        node.wait_idle();
        let bundles = fs::read_dir(outside(node, "/run/orlop/containers")).unwrap();
        assert_eq!(bundles.count(), 1);
    }
}
