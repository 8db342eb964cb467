//! `[volume.NAME]` and `[container.NAME]`.

use super::{
    Attachment, Lifecycle, Lookup, Name, NetworkMode, OciRuntime, Platform, Process, PullPolicy,
    Resources, Security, Storage, Unhealthy,
};
use crate::image_ref::ImageRef;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// `[volume.NAME]`: a named directory that outlives its containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Volume {
    /// How much it may hold; none is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ByteSize>,
}

/// `[container.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Container {
    /// The image.
    pub image: ImageRef,
    /// Replaces the image's entrypoint (and drops its command).
    pub command: Option<Vec<String>>,
    /// Replaces the image's command: the arguments after the entrypoint.
    pub args: Option<Vec<String>>,
    /// Added to, and winning over, the image's environment.
    pub env: BTreeMap<String, String>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Networks to join; none at all is the built-in network `default` (10.89.0.0/24).
    pub networks: Vec<Attachment>,
    /// Mounted volumes.
    pub volumes: Vec<VolumeMount>,
    /// How to tell that it is healthy.
    pub health: Option<Health>,
    /// When to start it again. Default `always`.
    pub restart: Restart,
    /// Memory limit.
    pub memory: Option<ByteSize>,
    /// Processor limit.
    pub cpus: Option<Cpus>,
    /// Limit of the number of processes and threads.
    pub pids: Option<u32>,
    /// Whether the container's root is read-only. Default false: a writable layer that is thrown
    /// away when the container is replaced.
    pub read_only: bool,
    /// How its program is run.
    #[serde(flatten)]
    pub process: Process,
    /// What it has in its file system beside its image.
    #[serde(flatten)]
    pub storage: Storage,
    /// When it runs.
    #[serde(flatten)]
    pub lifecycle: Lifecycle,
    /// Further limits and shares.
    #[serde(flatten)]
    pub resources: Resources,
    /// What it may do.
    #[serde(flatten)]
    pub security: Security,
    /// Whose network it is in, where it does not join networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkMode>,
    /// How it finds others by name.
    #[serde(flatten)]
    pub lookup: Lookup,
    /// When its tag is asked for.
    #[serde(skip_serializing_if = "PullPolicy::is_default")]
    pub pull: PullPolicy,
    /// What its image must be for; none is linux/amd64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Its OCI runtime. Default crun.
    pub runtime: OciRuntime,
    /// Free labels, for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Published ports, `[host_ip:]host:container[/tcp|udp]`; `host` and `container` may be ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    /// The address it is published on; none is every address.
    pub host_ip: Option<IpAddr>,
    /// Port on the host, the first of a range.
    pub host: u16,
    /// Port in the container, the first of a range.
    pub container: u16,
    /// Default TCP.
    pub protocol: Protocol,
    /// How many ports, one after the other; 1 for a single one.
    #[serde(skip_serializing_if = "is_one")]
    pub count: u16,
}

/// A single port is serialised as it was before there were ranges: see `Net`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(count: &u16) -> bool {
    *count == 1
}

impl Port {
    /// The last port of the host.
    pub fn last_host(&self) -> u16 {
        self.host.saturating_add(self.count.saturating_sub(1))
    }

    /// The last port in the container.
    pub fn last_container(&self) -> u16 {
        self.container.saturating_add(self.count.saturating_sub(1))
    }
}

/// The protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A mounted volume, `name:/path[:ro]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeMount {
    /// The volume, declared as `[volume.NAME]`.
    pub volume: Name,
    /// Absolute path in the container.
    pub path: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// `health = { … }` of a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// Time between two probes. Default 10 s.
    pub every: Duration,
    /// A probe that takes longer has failed. Default 5 s.
    pub timeout: Duration,
    /// So many failures in a row make the container unhealthy. Default 3.
    pub retries: u32,
    /// Failures within this time after the start do not count. Default 0 s.
    pub start: Duration,
    /// What is done when it is unhealthy. Default nothing.
    pub unhealthy: Unhealthy,
}

/// What a health probe asks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// A command in the container exits with 0.
    Exec(Vec<String>),
    /// A GET of `:port/path` on the container's own address answers with a 2xx or 3xx status.
    Http {
        /// Port in the container.
        port: u16,
        /// Path with its leading `/`.
        path: String,
    },
    /// A connection to this port on the container's own address opens.
    Tcp(u16),
}

/// When a container is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Whenever it ends.
    #[default]
    Always,
    /// When it ends with anything but status 0.
    OnFailure,
    /// Never.
    Never,
}

/// A size in bytes, written `"256 MiB"` (B, KiB, MiB, GiB, TiB; KB, MB, GB, TB are powers of 1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByteSize(pub u64);

/// A share of processors in thousandths: `cpus = 1.5` is 1500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cpus(pub u32);
