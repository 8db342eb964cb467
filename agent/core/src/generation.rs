//! A generation: everything that a node runs, under one number.

use orlop_config::{Digest, RootDigest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The number of a generation. Never used twice on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(pub u64);

/// Seconds since 1970-01-01 UTC, by the node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// An OS image, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsImage {
    /// As the config or the operator named it.
    pub reference: String,
    /// Digest of the manifest that the reference was resolved to.
    pub manifest: Digest,
    /// The root file system.
    pub root: RootDigest,
    /// `IMAGE_VERSION` of its os-release.
    pub version: String,
    /// Digest over kernel, initrd and kernel arguments without the root's digest: where two OS
    /// images agree on it, one can follow the other without a reboot.
    pub boot: Digest,
}

/// A container image, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerImage {
    /// As the config named it.
    pub reference: String,
    /// Digest of the manifest that the reference was resolved to.
    pub manifest: Digest,
    /// The root file system.
    pub root: RootDigest,
}

/// How a generation came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// The machine's first.
    FirstBoot,
    /// Another OS or other container images under the same config.
    Update,
    /// Another config.
    Config,
}

/// Everything that a node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number.
    pub id: GenerationId,
    /// The OS.
    pub os: OsImage,
    /// Digest of the TOML's bytes.
    pub config: Digest,
    /// Container images by container name.
    pub containers: BTreeMap<String, ContainerImage>,
    /// When it was recorded.
    pub created: Timestamp,
    /// How it came to be.
    pub origin: Origin,
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since the machine started (`CLOCK_BOOTTIME`). The gate measures with it, because
/// the node's clock may jump by years when it is first set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uptime(pub u64);

impl Uptime {
    /// The time from `earlier` to this; nothing where it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment so much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstBoot => "first boot",
            Self::Update => "update",
            Self::Config => "config",
        })
    }
}

/// A generation's file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the generation")]
pub struct GenerationError(#[from] serde_json::Error);

impl Generation {
    /// Whether `other` runs the very same OS, config and container images, whatever its id.
    pub fn runs_same(&self, other: &Self) -> bool {
        self.os.manifest == other.os.manifest
            && self.os.root == other.os.root
            && self.config == other.config
            && self.containers == other.containers
    }

    /// The manifests of its images.
    pub fn manifests(&self) -> impl Iterator<Item = &Digest> {
        let containers = self.containers.values().map(|image| &image.manifest);
        std::iter::once(&self.os.manifest).chain(containers)
    }

    /// Reads a generation's file.
    ///
    /// # Errors
    /// Where it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, GenerationError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The generation as its file has it: indented JSON and a newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("only strings are keys");
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_file_of_format_1_is_still_read() {
        let text = include_bytes!("../fixtures/generation-1.json");
        let generation = Generation::decode(text).unwrap();
        assert_eq!(generation, sample::generation(7, "2"));
        assert_eq!(generation.encode(), text);
    }

    #[test]
    fn generations_that_differ_in_any_image_do_not_run_the_same() {
        let one = sample::generation(1, "1");
        assert!(one.runs_same(&Generation {
            id: GenerationId(2),
            ..one.clone()
        }));
        assert!(!one.runs_same(&sample::generation(1, "2")));
        assert!(!one.runs_same(&Generation {
            config: Digest::of(b"x"),
            ..one.clone()
        }));
        assert!(!one.runs_same(&Generation {
            containers: BTreeMap::new(),
            ..one.clone()
        }));
    }
}
