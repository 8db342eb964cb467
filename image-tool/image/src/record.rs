//! What the store knows of an imported image, kept as JSON beside the objects.

use orlop_config::{Digest, RootDigest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The version of a record's shape on disk.
pub const RECORD_FORMAT: u32 = 1;

/// An image whose every object is in the store. Written last, so a record stands for the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// [`RECORD_FORMAT`].
    pub format: u32,
    /// Digest of the image manifest (of this platform, where the reference named an index).
    pub manifest: Digest,
    /// Identity of the file system: what is mounted.
    pub root: RootDigest,
    /// The reference that it was pulled by.
    pub reference: String,
    /// What sort of image it is.
    pub kind: ImageKind,
    /// How to run it.
    pub runtime: RuntimeConfig,
    /// Its layers, lowest first.
    pub layers: Vec<LayerRecord>,
    /// Bytes of its files, without sharing.
    pub size_bytes: u64,
    /// When the image was built, as its config says it (RFC 3339).
    pub created: Option<String>,
}

/// What sort of image it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// An OS: it has a UKI.
    Os {
        /// Label `io.orlop.os.version`.
        version: String,
        /// Digest over kernel, initrd and command line: decides if a reboot is needed.
        boot: Digest,
    },
    /// Anything else.
    Container,
}

/// The part of the image's config that says how to run it (OCI image specification, config.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    /// The command and its first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments after the entrypoint; the command itself where there is no entrypoint.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Absolute path; empty is `/`.
    pub working_dir: String,
    /// `user`, `uid`, `user:group` or `uid:gid`; empty is root. Names are of the image's own passwd.
    pub user: String,
    /// `SIGTERM`, `15`; none is SIGTERM.
    pub stop_signal: Option<String>,
    /// `80/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// Absolute paths that the image wants to be volumes.
    pub volumes: BTreeSet<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Digest of the blob.
    pub digest: Digest,
    /// Digest of the tar in it.
    pub diff_id: Digest,
    /// Size of the blob in bytes.
    pub size_bytes: u64,
}

impl ImageRecord {
    /// The OS version and boot digest, of an OS image.
    pub fn os(&self) -> Option<(&str, &Digest)> {
        match &self.kind {
            ImageKind::Os { version, boot } => Some((version, boot)),
            ImageKind::Container => None,
        }
    }
}
