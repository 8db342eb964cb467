//! One boot of a namespace machine, as its supervisor hands it to launcher and init.

use crate::boot_loader::BootChoice;
use crate::spec::{LanPort, NodeDisk};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// File in the machine's directory that holds the [`BootPlan`] of the boot that runs.
const PLAN_FILE: &str = "boot.json";

/// Everything that a boot needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootPlan {
    /// The machine's name, its host name until the image sets another.
    pub name: String,
    /// The machine's directory.
    pub dir: PathBuf,
    /// The machine's control group.
    pub cgroup: PathBuf,
    /// The terminal that becomes the console.
    pub terminal: PathBuf,
    /// The machine's network.
    pub lan: Option<LanPort>,
    /// What becomes the root.
    pub root: BootRoot,
}

/// What becomes the root of a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootRoot {
    /// A directory, with a layer for changes on top.
    Tree(PathBuf),
    /// An image of a node.
    Image {
        /// The node's disk.
        disk: NodeDisk,
        /// What the boot loader chose.
        choice: BootChoice,
    },
}

impl BootPlan {
    /// Writes the plan into the machine's directory, and gives the file.
    ///
    /// # Errors
    /// As write(2).
    pub fn write(&self) -> io::Result<PathBuf> {
        let path = self.dir.join(PLAN_FILE);
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// As read(2); `InvalidData` where it is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}
