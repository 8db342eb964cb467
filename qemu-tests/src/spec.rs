//! What a machine is made of, as its supervisor reads it from `machine.json`.

use crate::qemu::QemuSpec;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// File in the machine's directory that holds its [`MachineSpec`].
pub const SPEC_FILE: &str = "machine.json";
/// File in the machine's directory that holds everything that came out of its console.
pub const CONSOLE_FILE: &str = "console.log";
/// File in the machine's directory that holds what the supervisor has to say.
pub const SUPERVISOR_LOG: &str = "supervisor.log";
/// Socket in the machine's directory that the supervisor listens on.
pub const CONTROL_SOCKET: &str = "control.sock";

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Its name: letters, digits and `-`.
    pub name: String,
    /// Its directory: console, control socket, disks. Absolute.
    pub dir: PathBuf,
    /// Who keeps it alive.
    pub life: Life,
    /// What kind of machine it is.
    pub kind: MachineKind,
}

/// Who keeps a machine alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// The process that started it: the machine ends with it, however it ends.
    Tethered,
    /// Itself: it runs until it is told to stop.
    Detached,
}

/// What kind of machine it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineKind {
    /// Namespaces of the host's kernel.
    Namespace(NamespaceSpec),
    /// A whole machine, emulated: firmware, boot loader, kernel, disk.
    Qemu(QemuSpec),
}

/// A machine made of namespaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamespaceSpec {
    /// What it boots.
    pub root: RootSource,
    /// Its network; none is the loopback interface alone.
    pub lan: Option<LanPort>,
    /// Ports of the machine that the host's loopback interface forwards to.
    pub publish: Vec<Publish>,
    /// Ports of the host's loopback interface that the machine reaches at the bridge's address,
    /// 10.0.2.2. (A QEMU machine reaches all of them there.)
    pub reach: Vec<u16>,
}

/// What a namespace machine boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootSource {
    /// A directory with a root file system, which stays as it is: changes go to a layer in the
    /// machine's directory, and outlive a reboot.
    Tree(PathBuf),
    /// A node: the image that the boot entries choose, out of the store.
    Node(NodeDisk),
}

/// The "disk" of a namespace node: two folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDisk {
    /// What is the state partition on a real machine.
    pub state: PathBuf,
    /// What is the ESP on a real machine.
    pub efi: PathBuf,
}

/// A machine's place in a [`crate::Lan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanPort {
    /// Path of the network namespace that has the bridge.
    pub netns: PathBuf,
    /// The machine's address, in the bridge's /24 network.
    pub address: Ipv4Addr,
}

/// A port of the machine that can be reached from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// Where the host listens; on a loopback address.
    pub host: SocketAddr,
    /// Port of the machine.
    pub port: u16,
}
