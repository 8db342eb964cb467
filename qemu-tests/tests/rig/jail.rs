//! What docs/security.md says of a container that asks for nothing more, seen on a node.

use super::containers::{file, line, outside};
use super::node::Node;
use std::collections::BTreeSet;
use std::fs;

/// Bits of the capabilities of a program of root (linux/capability.h): `chown`, `dac_override`, `fowner`,
/// `fsetid`, `kill`, `setgid`, `setuid`, `setpcap`, `sys_chroot`, `setfcap`.
const CAPABILITIES: [u32; 10] = [0, 1, 3, 4, 5, 6, 7, 8, 18, 31];
const OWN_NAMESPACES: [&str; 7] = ["pid", "mnt", "net", "ipc", "uts", "cgroup", "user"];
const HOSTS_NAMESPACES: [&str; 1] = ["time"];
const READ_ONLY: [&str; 10] = [
    "/proc/sys",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sysrq-trigger",
    "/sys",
    "/sys/fs/cgroup",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
];
/// Files of the kernel that are hidden; folders are, too.
const MASKED: [&str; 7] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/interrupts",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
];
/// The devices, what is mounted there, and the links that point to a process's own files.
const DEV: [&str; 15] = [
    "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
    "stdout", "tty", "urandom", "zero",
];

/// Checks the container `name`, which is published on `port`.
pub(crate) fn is_as_documented(node: &Node<'_>, name: &str, port: u16) {
    let unit = format!("orlop-container-{name}.service");
    let pid = node.run(&["systemctl", "show", "--property=MainPID", "--value", &unit]);
    let process = format!("/proc/{}", pid.trim());
    namespaces(node, &process);
    rights(node, port);
    mounts(node, port);
    let entries = fs::read_dir(outside(node, &format!("{process}/root/dev"))).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, DEV.map(str::to_owned).into());
}

fn namespaces(node: &Node<'_>, process: &str) {
    let of = |process: &str, kind: &str| {
        fs::read_link(outside(node, &format!("{process}/ns/{kind}"))).unwrap()
    };
    for kind in OWN_NAMESPACES {
        assert_ne!(of(process, kind), of("/proc/1", kind), "{kind}");
    }
    for kind in HOSTS_NAMESPACES {
        assert_eq!(of(process, kind), of("/proc/1", kind), "{kind}");
    }
}

fn rights(node: &Node<'_>, port: u16) {
    let status = file(node, port, "/proc/self/status");
    let own: u64 = CAPABILITIES.iter().map(|bit| 1 << bit).sum();
    for (set, expected) in [
        ("CapPrm:", own),
        ("CapEff:", own),
        ("CapBnd:", own),
        ("CapInh:", 0),
        ("CapAmb:", 0),
    ] {
        let bits = u64::from_str_radix(line(&status, set), 16).unwrap();
        assert_eq!(bits, expected, "{set} {status}");
    }
    assert_eq!(line(&status, "NoNewPrivs:"), "1");
    assert_eq!(line(&status, "Seccomp:"), "2");
}

fn mounts(node: &Node<'_>, port: u16) {
    let table = file(node, port, "/proc/self/mountinfo");
    // A kernel need not have each.
    for path in READ_ONLY.iter().filter(|path| outside(node, path).exists()) {
        let options = options_of(&table, path);
        assert!(options.starts_with("ro,"), "{path}: {options}");
    }
    assert!(options_of(&table, "/dev/shm").contains("size=65536k"));
    for path in MASKED.iter().filter(|path| outside(node, path).exists()) {
        let answer = node.ask(port, &format!("/file{path}")).unwrap();
        let (status, body) = (answer.status, answer.body);
        assert!(status.is_success() && body.is_empty(), "{path}: {body}");
    }
}

/// Every option of what is mounted at `path`, in mountinfo's order (proc_pid_mountinfo(5)).
pub(crate) fn options_of<'a>(table: &'a str, path: &str) -> &'a str {
    let mut mounts = table.lines().rev().map(|line| line.splitn(6, ' '));
    let options =
        mounts.find_map(|mut fields| (fields.nth(4) == Some(path)).then(|| fields.next()));
    options
        .flatten()
        .unwrap_or_else(|| panic!("{path} in {table}"))
}
