//! What a node holds besides containers: images, volumes, networks.

use serde::{Deserialize, Serialize};

/// An image in the node's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    /// The reference that it was pulled by.
    pub reference: String,
    /// Digest of its manifest.
    pub manifest: String,
    /// Digest of its root file system.
    pub root: String,
    /// `os` or `container`.
    pub kind: String,
    /// The version that it has, if it says so.
    pub version: Option<String>,
    /// Bytes of its files. What it shares with other images is kept once, and counts for each.
    pub size_bytes: u64,
    /// When it was built, as it says (RFC 3339).
    pub created: Option<String>,
    /// Whether it was pulled by hand: it stays until it is removed or pruned.
    pub pulled: bool,
    /// What needs it: `generation 3`, `container web`, `the OS that runs`.
    pub used_by: Vec<String>,
}

/// `orlop image inspect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImageDetail {
    /// What `orlop image ls` tells.
    #[serde(flatten)]
    pub image: StoredImage,
    /// Its layers, lowest first.
    pub layers: Vec<LayerView>,
    /// How it says that it is run: entrypoint, command, environment, user, labels.
    pub run: serde_json::Value,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerView {
    /// Digest of the blob.
    pub digest: String,
    /// Size of the blob, in bytes.
    pub size_bytes: u64,
}

/// Which image: a reference, or the beginning of a manifest's digest. The query of an image's details,
/// and the request to pull (a reference) or remove one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageRequest {
    /// `registry.example.com/web:1.4`, `sha256:0123abcd`.
    pub image: String,
}

/// What was removed from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// The images, by reference.
    pub images: Vec<String>,
    /// Objects that no other image needs.
    pub objects: u64,
    /// Bytes that this freed.
    pub bytes: u64,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeView {
    /// Its name.
    pub name: String,
    /// Whether there is anything of it on disk: it comes with the first container that uses it.
    pub made: bool,
    /// Whether the config that runs declares it.
    pub declared: bool,
    /// Containers of the config that runs that use it.
    pub containers: Vec<String>,
    /// Generations on record whose containers use it.
    pub generations: Vec<u64>,
    /// Bytes that it may hold; none is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// Bytes that it holds, of one that has or had a limit: the kernel counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_bytes: Option<u64>,
}

/// `orlop volume inspect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeDetail {
    /// What `orlop volume ls` tells.
    #[serde(flatten)]
    pub volume: VolumeView,
    /// Where it is on the node.
    pub path: String,
    /// Bytes that its files take on disk.
    pub used_bytes: u64,
    /// How many files, folders and links it holds.
    pub entries: u64,
}

/// How a volume is imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportQuery {
    /// Whether what is in the volume is thrown away.
    pub replace: bool,
}

/// How a volume is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoveVolumeRequest {
    /// Also where containers of other generations on record use it.
    pub force: bool,
}

/// A container network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    /// Its name.
    pub name: String,
    /// `bridge`, `macvlan` or `ipvlan`.
    pub driver: String,
    /// Its addresses.
    pub subnets: Vec<SubnetView>,
    /// The host's interface that it is on, of a macvlan or ipvlan.
    pub parent: Option<String>,
    /// Whether nothing gets out of it, nor in from outside.
    pub internal: bool,
    /// Whether its containers know each other by name.
    pub dns: bool,
    /// Whether the config declares it; `default` is there without.
    pub declared: bool,
    /// The containers that join it.
    pub containers: Vec<NetworkMember>,
}

/// Addresses of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetView {
    /// `10.89.0.0/24`.
    pub subnet: String,
    /// The way out.
    pub gateway: String,
}

/// A container in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMember {
    /// Its name.
    pub name: String,
    /// Its addresses there.
    pub addresses: Vec<String>,
    /// Further names that it has there.
    pub aliases: Vec<String>,
}
