//! Single containers, looked at closely.

use crate::ContainerView;
use serde::{Deserialize, Serialize};

/// `orlop container inspect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDetail {
    /// What `orlop container ls` tells.
    #[serde(flatten)]
    pub view: ContainerView,
    /// Its section of the TOML, with every default written out, as it runs. Sizes are in bytes.
    pub config: serde_json::Value,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What is mounted in it, as the OCI runtime was told; empty where it was never set up.
    pub mounts: Vec<MountView>,
    /// The host's ids that its ids 0 to 65535 are, `524288-589823`; none in the host's user namespace.
    #[serde(default)]
    pub host_ids: Option<String>,
    /// Why it is in the host's user namespace; empty where it is in its own.
    #[serde(default)]
    pub userns: String,
    /// Whether it has a terminal.
    #[serde(default)]
    pub tty: bool,
    /// Whether its input is open.
    #[serde(default)]
    pub stdin: bool,
    /// Its unit of systemd.
    pub unit: String,
    /// Its control group, below the mount point of cgroup2.
    pub cgroup: String,
    /// How its first process ended the last time: `exit status 1`, `signal 9`; none where it has not.
    pub last_exit: Option<String>,
    /// The newest results of its probe, oldest first.
    pub probes: Vec<ProbeView>,
}

/// What is copied out of a container: the query of its archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CopyOutQuery {
    /// An absolute path, as the container sees it.
    pub path: String,
}

/// Where an archive goes in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CopyInQuery {
    /// An absolute path, as the container sees it: a folder that takes the archive in, or, where there is
    /// nothing of this name, the new name of the one thing in the archive.
    pub path: String,
    /// Whether files belong to the numbers in the archive; else to root.
    pub keep_owner: bool,
}

/// A mount in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountView {
    /// Where in the container.
    pub path: String,
    /// `bind`, `tmpfs`, `proc`, …
    pub kind: String,
    /// What of the host.
    pub source: String,
    /// How.
    pub options: Vec<String>,
}

/// A result of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeView {
    /// When it came, seconds since 1970-01-01 UTC.
    pub at: u64,
    /// Whether all was well.
    pub pass: bool,
    /// What was wrong.
    pub detail: String,
}

/// What a container uses, from the files of its unit's control group (cgroup-v2.rst). What the kernel has
/// no controller for is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStats {
    /// Its name.
    pub name: String,
    /// When, in microseconds since the machine started.
    pub at_micros: u64,
    /// Processor time since its unit began, in microseconds.
    pub cpu_usec: Option<u64>,
    /// Processor time between two samples, in per cent of one processor. The agent takes one sample and
    /// leaves this open; `orlop container stats` takes two.
    pub cpu_percent: Option<f64>,
    /// Memory, in bytes, with the page cache that is its own.
    pub memory: Option<u64>,
    /// The most that it may have; none also where there is no limit.
    pub memory_max: Option<u64>,
    /// Swap, in bytes.
    pub swap: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The most that it may have; none also where there is no limit.
    pub pids_max: Option<u64>,
    /// Read from block devices, in bytes.
    pub io_read: Option<u64>,
    /// Written to block devices, in bytes.
    pub io_write: Option<u64>,
    /// So many of its processes were killed by the kernel since its unit began, because it or the machine
    /// was out of memory.
    #[serde(default)]
    pub oom_kills: Option<u64>,
}

/// A process in a container: a line of `orlop container top`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessView {
    /// Its number on the host.
    pub pid: u32,
    /// Its effective user's number.
    pub uid: u32,
    /// Processor time that it has had, in milliseconds.
    pub cpu_millis: u64,
    /// Program and arguments; its name in brackets where it has none.
    pub command: String,
}
