//! What a switch takes.

use crate::Generation;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What it takes to get from one generation to another, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// They run the same.
    Nothing,
    /// Some containers' images differ.
    Containers,
    /// The config differs, and maybe containers.
    Config,
    /// The OS differs, but neither kernel nor initrd nor kernel arguments: userspace is started anew
    /// on the other root, and the containers go on.
    Live,
    /// Kernel, initrd or kernel arguments differ.
    #[default]
    Reboot,
}

impl Means {
    /// What it takes from `from` to `to`.
    pub fn between(from: &Generation, to: &Generation) -> Self {
        if from.os.boot != to.os.boot {
            Self::Reboot
        } else if from.os.root != to.os.root {
            Self::Live
        } else if from.config != to.config {
            Self::Config
        } else if from.containers != to.containers {
            Self::Containers
        } else {
            Self::Nothing
        }
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Containers => "containers",
            Self::Config => "config",
            Self::Live => "live swap",
            Self::Reboot => "reboot",
        })
    }
}
