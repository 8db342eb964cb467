//! The validated node configuration. What is here has passed every check.

mod cdi;
mod confinement;
mod container;
mod io;
mod lifecycle;
mod lookup;
mod network;
mod process;
mod storage;
mod user_namespace;

use crate::image_ref::ImageRef;
use crate::machine::{Generations, Kernel, Network, Time};
use crate::window::Window;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use cdi::CdiDevice;
pub use confinement::{
    HostRight, MASKED_PATHS, NetworkMode, OciRuntime, READ_ONLY_PATHS, Resources, Security,
};
pub use container::{
    ByteSize, Container, Cpus, Health, Port, Probe, Protocol, Restart, Volume, VolumeMount,
};
pub use io::IoLimits;
pub use lifecycle::{Condition, Kind, Lifecycle, Unhealthy, UpdateOrder};
pub use lookup::{HostAddress, Lookup, Platform, PullPolicy};
pub use network::{Allow, Attachment, Firewall, Inbound, Net, NetDriver, Traffic};
pub use process::{Process, Ulimit};
pub use storage::{Bind, Device, InlineFile, Propagation, Secret, Storage};
pub use user_namespace::{UserNamespace, user_namespace_holder};

/// A whole node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeConfig {
    /// Version of the TOML's shape; 1 is the only one so far.
    pub schema: u32,
    /// Who the node is.
    pub host: Host,
    /// The OS that it should run; none keeps the one that runs.
    pub os: Option<Os>,
    /// How updates come.
    pub update: Update,
    /// What makes a new generation good.
    pub gate: Gate,
    /// How many generations are kept.
    pub generations: Generations,
    /// The kernel's settings.
    pub kernel: Kernel,
    /// The machine's own network.
    pub network: Network,
    /// The clock.
    pub time: Time,
    /// The HTTPS API.
    pub api: Api,
    /// What reaches the host from outside.
    pub firewall: Firewall,
    /// Registries by host, `registry.example.com:5000`.
    pub registry: BTreeMap<String, Registry>,
    /// What stands between the node and registries.
    pub proxy: Proxy,
    /// Secrets, by where they come from.
    pub secret: BTreeMap<Name, Secret>,
    /// Container networks.
    pub net: BTreeMap<Name, Net>,
    /// Named volumes.
    pub volume: BTreeMap<Name, Volume>,
    /// Containers.
    pub container: BTreeMap<Name, Container>,
    /// Those with `enabled = false`, which do not run and hold nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub disabled: BTreeMap<Name, Container>,
}

/// A name of a container, network, volume or secret: 1 to 48 of `a-z`, `0-9` and `-`, neither first nor
/// last a `-`. 48 leaves room for the units and interfaces that are named after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 48;

    /// `text` as a name, or none where it is not one.
    pub fn new(text: &str) -> Option<Self> {
        let ok = (1..=Self::MAX_LEN).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-')
            && !text.ends_with('-');
        ok.then(|| Self(text.to_owned()))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[host]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// Host name (RFC 1123); none takes `orlop-` and eight digits of the machine id.
    pub name: Option<String>,
    /// IANA name, `Europe/Berlin`; none is UTC.
    pub timezone: Option<String>,
    /// Free labels, for people and the fleet.
    pub labels: BTreeMap<String, String>,
}

/// `[os]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Os {
    /// Where the OS image comes from.
    pub image: ImageRef,
}

/// `[update]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Update {
    /// What the agent does by itself.
    pub policy: UpdatePolicy,
    /// How another OS image is entered.
    pub disruption: Disruption,
    /// Time between two looks at the registries, without jitter. Default 6 h.
    pub every: Duration,
    /// When the agent may switch by itself; none at all is any time.
    pub window: Vec<Window>,
}

/// How another OS image is entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disruption {
    /// Live, where kernel, initrd and kernel arguments stay; else by a restart of the machine.
    #[default]
    Least,
    /// Always by a restart of the machine.
    Reboot,
}

/// What the agent does by itself about new images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdatePolicy {
    /// Fetch and switch.
    Auto,
    /// Fetch, and wait for the operator to switch.
    Download,
    /// Nothing.
    #[default]
    Manual,
}

/// `[gate]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// All checks must pass for this long without a break. Default 10 s.
    pub hold: Duration,
    /// The hold must be complete this long after the switch. Default 5 min; longer than `hold`.
    pub deadline: Duration,
    /// The checks, in the order of the file. With none, the gate asks that every container that
    /// has a probe is healthy, and that every other one runs.
    pub check: Vec<Check>,
}

/// `[[gate.check]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The container is healthy by its own probe, or, without a probe, runs.
    Container(Name),
    /// A GET of this URL answers with this status. `http` only.
    Http {
        /// `http://host[:port]/path`.
        url: String,
        /// The status that counts as good. Default 200.
        status: u16,
    },
    /// A TCP connection to this `host:port` opens.
    Tcp(String),
    /// A command, run in a container, ends with status 0.
    Exec {
        /// The container.
        container: Name,
        /// Program and arguments.
        command: Vec<String>,
    },
    /// Somebody has reached the HTTPS API since the switch.
    Api,
    /// This unit of systemd is active.
    Unit(String),
}

/// `[api]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Api {
    /// Where the HTTPS API listens; none is the local socket only.
    pub listen: Option<SocketAddr>,
    /// PEM of the CA whose client certificates are let in; needed with `listen`.
    pub clients: Option<String>,
}

/// `[registry."host:port"]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Registry {
    /// Plain HTTP instead of TLS. Loopback addresses need no leave for it.
    pub plain_http: bool,
    /// PEM of a CA to trust for this registry besides the usual ones.
    pub ca: Option<String>,
    /// Who is asked before the registry itself, in order.
    pub mirrors: Vec<Mirror>,
    /// Who logs in; nobody without it.
    pub login: Option<Login>,
}

/// `registry.NAME.mirrors`: a registry that has the images of another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mirror {
    /// `host` or `host:port`.
    pub host: String,
    /// What comes before the repository's own name there, without `/` at either end; often nothing.
    pub prefix: String,
    /// Plain HTTP instead of TLS.
    pub plain_http: bool,
}

/// `registry.NAME.login`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The secret that holds the password.
    pub password: Name,
}

/// `[proxy]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Proxy {
    /// The URL of the one for HTTPS.
    pub https: Option<String>,
    /// The URL of the one for plain HTTP.
    pub http: Option<String>,
    /// Hosts, domains and subnets that are reached without.
    pub except: Vec<String>,
}
