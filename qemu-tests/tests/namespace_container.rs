//! The container section on a real node: what its keys make of a container, and what no container can
//! do.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerState, HealthState, ProcessView};
use rig::containers::{apply, config, container, outside, wait_answer, wait_runs, wait_view};
use rig::jail;
use rig::node::{Rig, WEB};
use std::os::unix::fs::MetadataExt;

/// Ports of the node that containers beside `web` are published on.
const SECOND: u16 = 8081;
const THIRD: u16 = 8082;
const PASSWORD: &str = "correct horse battery staple";
const KEY: &str = "key of many letters and digits 0123456789";

/// With nearly every key of the container section.
const SECTION: &str = r#"
ports = ["8081:8080"]
user = "1000:1001"
groups = ["44"]
hostname = "app.example.com"
env = { SIZE = "large" }
env_files = ["/var/srv/app/env"]
secrets = { PASSWORD = "password", "/run/secrets/key" = "key" }
ulimits = { nofile = "512:1024" }
sysctl = { "net.core.somaxconn" = "321" }
binds = ["/var/srv/app:/host:ro"]
tmpfs = { "/scratch" = "1 MiB" }
shm_size = "2 MiB"
read_only = true
capabilities = { drop = ["all"], add = ["net_raw"] }
labels = { team = "core" }
memory = "64 MiB"
memory_high = "32 MiB"
cpu_weight = 50
restart_limit = 9
stop_signal = "SIGINT"
stop_timeout = "3s"
spec_patch = '{ "process": { "oomScoreAdj": 321 } }'
[container.app.files."/etc/app.toml"]
content = "listen = 80"
mode = "0400"
[secret.password]
from = "file"
path = "/run/given/password"
[secret.key]
from = "file"
"#;

#[test]
fn a_container_has_what_its_section_says_and_nobody_else_sees_its_secrets() {
    let rig = Rig::new();
    let node = rig.node("full", "1", &rig.config("1"));
    node.wait_idle();
    checks::bring_secrets(&node);
    apply(&node, &config(&rig, &[container(&rig, "app", SECTION)]));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_idle();
    wait_answer(&node, SECOND, "/");
    checks::process_is_as_declared(&node);
    checks::files_are_as_declared(&node);
    checks::unit_is_as_declared(&node);
    checks::secrets_are_hidden(&node);
    apply(&node, &rig.config("1"));
    assert!(node.wait_verdict(3).good, "{}", node.journal());
    assert_eq!(checks::holders_of_secrets(&node), [""; 0]);
}

#[test]
fn what_waits_starts_in_its_turn_and_says_what_it_waits_for() {
    let rig = Rig::new();
    let more = [
        ("prepare", "kind = \"task\"\nargs = [\"--exit\", \"0\"]"),
        (
            "db",
            "after = { prepare = \"completed\" }\nhealth = { tcp = 8080, every = \"1s\" }",
        ),
        ("app", "after = { db = \"healthy\" }"),
        (
            "broken",
            "kind = \"task\"\nessential = false\nargs = [\"--exit\", \"3\"]",
        ),
        (
            "never",
            "after = { broken = \"completed\" }\nessential = false",
        ),
    ];
    let more = more.map(|(name, keys)| container(&rig, name, keys));
    let node = rig.node("turns", "1", &config(&rig, &more));
    node.wait_idle();
    let prepare = wait_view(&node, "prepare", "the end of a task", |view| {
        view.state == ContainerState::Completed
    });
    let db = wait_view(&node, "db", "a healthy container", |view| {
        view.health == HealthState::Healthy
    });
    let app = wait_view(&node, "app", "one that waited", |view| {
        view.state == ContainerState::Running
    });
    assert!(prepare.started <= db.started && db.started <= app.started);
    let log = checks::agents_log(&node);
    assert!(log.contains("app waits for db to be healthy"), "{log}");
    let never = wait_view(&node, "never", "one that waits", |view| {
        view.state == ContainerState::Waiting
    });
    assert_eq!(never.detail, "waits for broken to complete");
    assert_eq!((never.pid, never.started), (None, None));
    // Those that are not essential do not hold the gate up.
    node.wait_web("/");
}

#[test]
fn a_task_comes_again_by_its_schedule_and_the_sick_are_started_again() {
    let rig = Rig::new();
    let more = [
        (
            "beat",
            "kind = \"task\"\nschedule = \"*:*:*\"\nargs = [\"--exit\", \"0\"]",
        ),
        (
            "weak",
            "essential = false\nargs = [\"--sick-after\", \"2\"]\nhealth = { http = \":8080/healthz\", \
             every = \"1s\", retries = 2, unhealthy = \"restart\" }",
        ),
    ];
    let more = more.map(|(name, keys)| container(&rig, name, keys));
    let node = rig.node("again", "1", &config(&rig, &more));
    node.wait_idle();
    let first = wait_view(&node, "weak", "its first start", |view| {
        view.started.is_some()
    });
    wait_view(&node, "weak", "another start", |view| {
        view.started > first.started
    });
    wait_runs(&node, "beat", 3);
    wait_view(&node, "beat", "a task between two runs", |view| {
        view.state == ContainerState::Scheduled
    });

    // What is gone from the TOML is gone from the node, its timer too.
    apply(&node, &rig.config("1"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    let list = [
        "systemctl",
        "list-units",
        "--all",
        "--plain",
        "--no-legend",
        "orlop-container-*",
    ];
    let units = node.run(&list);
    let names: Vec<&str> = units
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["orlop-container-web.service"], "{units}");
}

#[test]
fn no_container_breaks_out_in_the_classic_ways_and_one_with_the_rights_does() {
    let rig = Rig::new();
    let secret = "secrets = { \"/run/secrets/key\" = \"key\" }";
    let trusted = "ports = [\"8081:8080\"]\nprivileged = true\nhost = [\"pid\", \"dbus\"]\n\
                   tmpfs = { \"/tmp\" = \"1 MiB\" }\nnetworks = [\"default\", \"apart\"]";
    let beside = "network = \"container:trusted\"\nenv = { APP_LISTEN = \"127.0.0.1:9090\" }";
    let more = [
        container(&rig, "other", secret),
        container(&rig, "trusted", trusted),
        container(&rig, "beside", beside),
        container(&rig, "hidden", "networks = [\"apart\"]"),
        "\n[net.apart]\nsubnet = \"10.88.7.0/24\"\n".to_owned(),
        "\n[secret.key]\nfrom = \"file\"\npath = \"/usr/lib/os-release\"\n".to_owned(),
    ];
    let node = rig.node("jail", "1", &config(&rig, &more));
    node.wait_idle();
    node.wait_web("/");
    wait_answer(&node, SECOND, "/");
    for (way, why) in [
        ("sysctl", "Permission denied"),
        ("module", "Operation not permitted"),
        ("mount", "Operation not permitted"),
        ("device", "Operation not permitted"),
        ("ptrace", "none of 0 other processes can be traced"),
        ("api", "No such file or directory"),
        ("bus", "No such file or directory"),
        ("secrets", "No such file or directory"),
        ("namespace", "Operation not permitted"),
        ("clock", "Operation not permitted"),
        ("cgroup", "Permission denied"),
    ] {
        let answer = node.web(&format!("/try/{way}")).unwrap();
        let body = answer.body;
        assert!(
            !answer.status.is_success() && body.contains(why),
            "{way}: {body}"
        );
    }
    jail::is_as_documented(&node, "web", WEB);
    // The same ways lead out for one that was given the rights, so they are ways.
    for way in ["mount", "namespace", "ptrace", "bus"] {
        let answer = node.ask(SECOND, &format!("/try/{way}")).unwrap();
        assert!(answer.status.is_success(), "{way}: {}", answer.body);
    }
    // A network ends at its bridge.
    let hidden = wait_view(&node, "hidden", "an address", |view| {
        !view.addresses.is_empty()
    });
    let at = format!("/try/connect/{}:8080", hidden.addresses[0]);
    checks::reaches(&node, SECOND, &at, true);
    checks::reaches(&node, WEB, &at, false);
    // Those that share a network share its loopback interface, and nobody else does.
    let at = "/try/connect/127.0.0.1:9090";
    checks::reaches(&node, SECOND, at, true);
    checks::reaches(&node, WEB, at, false);
    let log = checks::agents_log(&node);
    let audit =
        "container trusted is set up with rights over the host: privileged, host pid, host dbus";
    assert!(log.contains(audit), "{log}");
    assert!(
        !log.contains("container web is set up with rights"),
        "{log}"
    );
}

#[test]
fn a_container_without_a_network_and_one_in_the_hosts_are_probed_and_reached() {
    let rig = Rig::new();
    let resident = format!(
        "host = [\"network\"]\nenv = {{ APP_LISTEN = \"0.0.0.0:{THIRD}\" }}\n\
         health = {{ tcp = {THIRD}, every = \"1s\" }}"
    );
    let alone =
        "network = \"none\"\nhealth = { exec = [\"/app\", \"--exit\", \"0\"], every = \"1s\" }";
    let more = [
        container(&rig, "resident", &resident),
        container(&rig, "alone", alone),
    ];
    let node = rig.node("networks", "1", &config(&rig, &more));
    node.wait_idle();
    assert_eq!(wait_answer(&node, THIRD, "/"), "hello from 1\n");
    for name in ["alone", "resident"] {
        let view = wait_view(&node, name, "a healthy container", |view| {
            view.health == HealthState::Healthy
        });
        assert!(view.addresses.is_empty(), "{view:?}");
    }
}

#[test]
fn an_init_takes_care_of_orphans_and_passes_signals_and_statuses_on() {
    let rig = Rig::new();
    let cared = "init = true\nread_only = true\nuser = \"1000:1000\"\nports = [\"8081:8080\"]\n\
                 stop_timeout = \"2m\"";
    let failing = "init = true\nkind = \"task\"\nessential = false\nargs = [\"--exit\", \"3\"]";
    let more = [
        container(&rig, "cared", cared),
        container(&rig, "uncared", "ports = [\"8082:8080\"]"),
        container(&rig, "failing", failing),
    ];
    let node = rig.node("init", "1", &config(&rig, &more));
    node.wait_idle();
    // A child that nobody waits for stays for ever where the first process knows nothing of it.
    let orphan = wait_answer(&node, THIRD, "/orphan");
    checks::wait_stat(&node, THIRD, &orphan, "a zombie", |stat| {
        stat.is_some_and(|stat| stat.contains(") Z "))
    });
    let orphan = wait_answer(&node, SECOND, "/orphan");
    checks::wait_stat(&node, SECOND, &orphan, "no child", |stat| stat.is_none());

    let top = node.orlop(&["container", "top", "cared", "--json"]).out;
    let processes: Vec<ProcessView> = serde_json::from_str(&top).unwrap();
    let commands: Vec<&str> = processes.iter().map(|one| one.command.as_str()).collect();
    assert_eq!(commands, ["/dev/init -- /app", "/app"]);
    let exec = ["container", "exec", "cared", "--", "/app", "--exit", "7"];
    assert_eq!(node.orlop(&exec).code, Some(7));
    // The OCI runtime makes a container's user the owner of what its programs are started with.
    let null = std::fs::metadata(outside(&node, "/dev/null")).unwrap();
    assert_eq!((null.uid(), null.mode() & 0o777), (0, 0o666));
    let failed = wait_view(&node, "failing", "the end of a task", |view| {
        view.state == ContainerState::Exited
    });
    assert!(failed.detail.contains("status 3"), "{failed:?}");

    let said = node.orlop(&["container", "stop", "cared"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let log = node.orlop(&["container", "logs", "cared"]).out;
    assert!(log.contains("asked to stop"), "{log}");
    let said = node.orlop(&["container", "start", "cared"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_answer(&node, SECOND, "/");
}

/// What the scenarios look at.
#[cfg(test)]
mod checks {
    use super::rig::containers::{file, holders, line, outside, views};
    use super::rig::jail::options_of;
    use super::rig::node::{Node, SWITCH};
    use super::{KEY, PASSWORD, SECOND};
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    /// A capability's bit (linux/capability.h).
    const NET_RAW: u64 = 1 << 13;

    pub(super) fn bring_secrets(node: &Node<'_>) {
        for folder in ["/run/given", "/state/orlop/secrets", "/var/srv/app"] {
            fs::create_dir_all(outside(node, folder)).unwrap();
        }
        let password = outside(node, "/run/given/password");
        fs::write(password, format!("{PASSWORD}\n")).unwrap();
        fs::write(outside(node, "/state/orlop/secrets/key"), KEY).unwrap();
        fs::write(outside(node, "/var/srv/app/env"), "# set\nCOLOUR=blue\n").unwrap();
        fs::write(outside(node, "/var/srv/app/page"), "from the host\n").unwrap();
    }

    pub(super) fn process_is_as_declared(node: &Node<'_>) {
        let read = |path: &str| file(node, SECOND, path);
        let status = read("/proc/self/status");
        assert_eq!(line(&status, "Uid:"), "1000\t1000\t1000\t1000");
        assert_eq!(line(&status, "Gid:"), "1001\t1001\t1001\t1001");
        assert_eq!(line(&status, "Groups:"), "44");
        for set in ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:"] {
            let bits = u64::from_str_radix(line(&status, set), 16).unwrap();
            assert_eq!(bits, NET_RAW, "{set} {status}");
        }
        assert_eq!(line(&status, "NoNewPrivs:"), "1");
        assert_eq!(line(&status, "Seccomp:"), "2");
        assert_eq!(read("/proc/self/oom_score_adj").trim(), "321");
        assert_eq!(read("/proc/sys/kernel/hostname").trim(), "app.example.com");
        assert_eq!(read("/proc/sys/net/core/somaxconn").trim(), "321");
        let limits = read("/proc/self/limits");
        let files: Vec<&str> = line(&limits, "Max open files").split_whitespace().collect();
        assert_eq!(files[..2], ["512", "1024"]);
        let environment = read("/proc/self/environ");
        for variable in ["COLOUR=blue", "SIZE=large", &format!("PASSWORD={PASSWORD}")] {
            let found = environment.split('\0').any(|one| one == variable);
            assert!(found, "{variable}: {environment}");
        }
    }

    pub(super) fn files_are_as_declared(node: &Node<'_>) {
        let read = |path: &str| file(node, SECOND, path);
        assert_eq!(read("/etc/hostname").trim(), "app.example.com");
        assert_eq!(read("/run/secrets/key"), KEY);
        assert_eq!(read("/etc/app.toml"), "listen = 80");
        assert_eq!(read("/host/page"), "from the host\n");
        let mounts = read("/proc/self/mountinfo");
        for (path, wanted) in [
            ("/scratch", &["nosuid", "nodev", "size=1024k"][..]),
            ("/dev/shm", &["size=2048k"]),
            ("/host", &["ro", "nosuid", "nodev"]),
            ("/etc/app.toml", &["ro", "nosuid", "nodev", "noexec"]),
            ("/run/secrets/key", &["ro", "nosuid", "nodev", "noexec"]),
        ] {
            let options = options_of(&mounts, path);
            let has = |option: &&str| options.split([',', ' ']).any(|one| one == *option);
            assert!(wanted.iter().all(has), "{path}: {options}");
        }
        for (path, written) in [("scratch/a", true), ("host/a", false), ("a", false)] {
            let answer = node.ask(SECOND, &format!("/try/write/{path}")).unwrap();
            assert_eq!(
                answer.status.is_success(),
                written,
                "{path}: {}",
                answer.body
            );
        }
    }

    pub(super) fn unit_is_as_declared(node: &Node<'_>) {
        let unit = node.run(&["systemctl", "cat", "orlop-container-app.service"]);
        for key in [
            "MemoryMax=67108864",
            "MemoryHigh=33554432",
            "CPUWeight=50",
            "StartLimitBurst=10",
            "KillSignal=SIGINT",
            "TimeoutStopSec=3000ms",
        ] {
            assert!(unit.lines().any(|line| line == key), "{key} in {unit}");
        }
        let views = views(node);
        let view = views.iter().find(|view| view.name == "app").unwrap();
        assert_eq!(view.labels["team"], "core");
    }

    pub(super) fn secrets_are_hidden(node: &Node<'_>) {
        let shown = [
            node.run(&["systemctl", "cat", "orlop-container-app.service"]),
            node.run(&["systemctl", "show", "orlop-container-app.service"]),
            node.orlop(&["config", "show"]).out,
            node.orlop(&["container", "ls", "--json"]).out,
            node.run(&["journalctl", "--no-pager", "--output=verbose"]),
        ];
        for text in shown {
            assert!(!text.is_empty());
            assert!(!text.contains(PASSWORD) && !text.contains(KEY), "{text}");
        }
        let root = outside(node, "/run/orlop");
        let found: Vec<PathBuf> = holders_of_secrets(node)
            .into_iter()
            .map(PathBuf::from)
            .collect();
        assert!(
            found.len() >= 2,
            "the spec and a file hold a secret: {found:?}"
        );
        let shut = |mode: u32| mode & 0o077 == 0;
        for path in found {
            let mut folders = path
                .ancestors()
                .skip(1)
                .take_while(|folder| *folder != root);
            let shut_in = folders.any(|folder| shut(fs::metadata(folder).unwrap().mode()));
            let own = fs::metadata(&path).unwrap().mode();
            assert!(shut_in && shut(own), "{} is open: {own:o}", path.display());
        }
    }

    pub(super) fn holders_of_secrets(node: &Node<'_>) -> Vec<String> {
        let mut found = Vec::new();
        holders(&outside(node, "/run/orlop"), &[PASSWORD, KEY], &mut found);
        found
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    /// Waits until `/proc/PID/stat` of the container is as `wanted`; none is no such process.
    pub(super) fn wait_stat(
        node: &Node<'_>,
        port: u16,
        pid: &str,
        what: &str,
        wanted: impl Fn(Option<&str>) -> bool,
    ) {
        let path = format!("/file/proc/{}/stat", pid.trim());
        let came = node.machine.wait(what, SWITCH, || {
            let answer = node.ask(port, &path).map_err(|error| error.to_string())?;
            let stat = answer.status.is_success().then_some(answer.body.as_str());
            wanted(stat).then_some(()).ok_or(answer.body)
        });
        came.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(super) fn reaches(node: &Node<'_>, port: u16, way: &str, led_there: bool) {
        let answer = node.ask(port, way).unwrap();
        assert_eq!(
            answer.status.is_success(),
            led_there,
            "{way}: {}",
            answer.body
        );
    }

    pub(super) fn agents_log(node: &Node<'_>) -> String {
        let unit = "--unit=orlopd.service";
        node.run(&["journalctl", "--no-pager", "--output=cat", unit])
    }
}
