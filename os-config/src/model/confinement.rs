//! What a container may use and do.

use super::user_namespace::UserNamespace;
use super::{ByteSize, IoLimits, Name};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Files and folders of the kernel that tell or change things of the host: a container sees them empty.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Those that a container may only read.
pub const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Limits and shares, beside `memory`, `cpus` and `pids`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// Above it, it is slowed down and its memory taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_high: Option<ByteSize>,
    /// Swap that it may use besides its memory; none is nothing where `memory` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<ByteSize>,
    /// Its share of busy processors, 1 to 10000; others have 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u32>,
    /// The processors that it may run on, `0-3,5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// Its share of a busy disk, 1 to 10000; others have 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<u32>,
    /// Its limits of disks, by their paths below `/dev`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub io: BTreeMap<String, IoLimits>,
    /// How soon it is killed when the machine is out of memory, -1000 (never) to 1000; none is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i16>,
    /// So many lines of its log are kept in 30 s; none is journald's own limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_limit: Option<u32>,
}

/// Rights.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Security {
    /// Capabilities taken away, `chown`; `all` is every one.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub drop: BTreeSet<String>,
    /// Capabilities given, also to a program that is not root's.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub add: BTreeSet<String>,
    /// Whether no system call is filtered. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub seccomp_off: bool,
    /// Whether programs may gain rights by set-user-id files and the like. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub new_privileges: bool,
    /// Whether it has every right that root has. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// Parts of the host that it is given.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub host: BTreeSet<HostRight>,
    /// Files and folders that it sees empty, beside [`MASKED_PATHS`].
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub mask: BTreeSet<String>,
    /// Those of [`MASKED_PATHS`] and [`READ_ONLY_PATHS`] that it sees, and may write, as they are.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unmask: BTreeSet<String>,
    /// A merge patch (RFC 7396) of its OCI runtime spec, as compact JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_patch: Option<String>,
    /// Its user namespace.
    #[serde(skip_serializing_if = "UserNamespace::is_auto")]
    pub userns: UserNamespace,
    /// The container whose IPC it shares: System V IPC, POSIX message queues and `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<Name>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A part of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostRight {
    /// The host's network, instead of one of its own.
    Network,
    /// The host's processes.
    Pid,
    /// The host's System V IPC and POSIX message queues.
    Ipc,
    /// The journal, to read.
    Journal,
    /// The system bus.
    Dbus,
    /// Every device.
    Devices,
}

impl HostRight {
    /// All of them, as the TOML names them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("network", Self::Network),
        ("pid", Self::Pid),
        ("ipc", Self::Ipc),
        ("journal", Self::Journal),
        ("dbus", Self::Dbus),
        ("devices", Self::Devices),
    ];

    /// As the TOML names it.
    pub fn as_str(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, right)| *right == self);
        named.map_or("", |(name, _)| name)
    }
}

/// The OCI runtime of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OciRuntime {
    /// crun.
    #[default]
    Crun,
    /// runc.
    Runc,
}

impl OciRuntime {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Crun, Self::Runc];

    /// Its program's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crun => "crun",
            Self::Runc => "runc",
        }
    }
}

/// Whose network a container is in, where it does not join networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Nobody's: it has the loopback interface only.
    None,
    /// That of this container.
    Container(Name),
}
