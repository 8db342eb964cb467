//! What a container has in its file system beside its image.

use super::{ByteSize, CdiDevice, Name};
use serde::Serialize;
use std::collections::BTreeMap;

/// Mounts, files, secrets and devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Storage {
    /// Paths of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
    /// Size of the memory file system at each path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, ByteSize>,
    /// Size of `/dev/shm`; none is 64 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<ByteSize>,
    /// Files by their path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, InlineFile>,
    /// Which secret each environment variable or file (an absolute path) holds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Name>,
    /// Devices of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Devices by the names that their vendors give them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cdi: Vec<CdiDevice>,
}

/// A path of the host in a container, `/host/path:/path[:ro]`, with its propagation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bind {
    /// Absolute path on the host.
    pub host: String,
    /// Absolute path in the container.
    pub path: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Whether what is mounted below it later is seen on the other side.
    #[serde(skip_serializing_if = "Propagation::is_default")]
    pub propagation: Propagation,
}

/// Where mounts go that are made below a bind after it (mount_namespaces(7)). The recursive ones hold for what is
/// mounted below it already, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Nowhere.
    Private,
    /// Nowhere, recursively.
    Rprivate,
    /// From the host to the container.
    Slave,
    /// From the host to the container, recursively.
    #[default]
    Rslave,
    /// Both ways.
    Shared,
    /// Both ways, recursively.
    Rshared,
}

impl Propagation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Private,
        Self::Rprivate,
        Self::Slave,
        Self::Rslave,
        Self::Shared,
        Self::Rshared,
    ];

    /// As the TOML, mount(8) and the OCI runtime spec name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
        }
    }

    /// Whether the container's own mounts reach the host.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::Rshared)
    }

    /// Whether the host's mounts reach the container, and its own stay there.
    pub fn is_slave(self) -> bool {
        matches!(self, Self::Slave | Self::Rslave)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A file whose content is in the TOML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InlineFile {
    /// Its text.
    pub content: String,
    /// Its permission bits. Default 0444.
    pub mode: u32,
    /// `user`, `uid`, `user:group` or `uid:gid`; none is the container's user.
    pub owner: Option<String>,
}

/// A device of the host, `/dev/ttyUSB0[:/dev/serial][:rwm]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Path on the host, below `/dev`.
    pub host: String,
    /// Path in the container.
    pub path: String,
    /// Of `r`, `w` and `m` (mknod). Default `rw`.
    pub access: String,
}

/// `[secret.NAME]`: where a secret comes from. The secret itself is never in the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// The systemd credential `orlop.secret.NAME`.
    Credential,
    /// This file of the host.
    File(String),
}
