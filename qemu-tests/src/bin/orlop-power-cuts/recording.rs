//! What a recording is: the disk before it, the log of its writes, and what was known when.

use crate::Outcome;
use orlop_config::{Digest, RootDigest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The disk before the first power on.
const DISK: &str = "disk.img";
/// The log of the writes.
const LOG: &str = "writes.log";
/// Everything else.
const ABOUT: &str = "recording.json";

/// A stretch of a recording, and what has to hold when the power goes in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// What happened.
    pub(crate) name: String,
    /// Where it begins, in bytes of the log.
    pub(crate) from: u64,
    /// The generations that may be current; none of them is before the first one is good. What the
    /// operator has been told is among them, and nothing older: that would be lost.
    pub(crate) current: Vec<Option<u64>>,
    /// The generation that the operator was told is staged.
    pub(crate) staged: Option<u64>,
}

/// What is known of a recording besides disk and log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// How the images were built, for the report.
    pub(crate) images: String,
    /// In order; the first begins at 0.
    pub(crate) phases: Vec<Phase>,
    /// Digest of the UKI of each OS image, out of the images and not off the disk.
    pub(crate) ukis: BTreeMap<RootDigest, Digest>,
    /// Digest of the TOML for the first boot.
    pub(crate) toml: Digest,
}

/// A recording in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) disk: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) about: About,
}

impl Recording {
    /// Where the disk of a recording in `dir` lies.
    pub(crate) fn disk_in(dir: &Path) -> PathBuf {
        dir.join(DISK)
    }

    /// Where the log of a recording in `dir` lies.
    pub(crate) fn log_in(dir: &Path) -> PathBuf {
        dir.join(LOG)
    }

    /// Notes what is known of the recording in `dir`: the last file of one.
    pub(crate) fn write(dir: &Path, about: &About) -> Outcome<()> {
        Ok(fs::write(
            dir.join(ABOUT),
            serde_json::to_vec_pretty(about)?,
        )?)
    }

    /// The recording in `dir`.
    pub(crate) fn read(dir: &Path) -> Outcome<Self> {
        let path = dir.join(ABOUT);
        let text = fs::read(&path)
            .map_err(|error| format!("no recording in {}: {error}", dir.display()))?;
        Ok(Self {
            disk: Self::disk_in(dir),
            log: Self::log_in(dir),
            about: serde_json::from_slice(&text)?,
        })
    }
}

impl About {
    /// The phase that a cut at this byte of the log falls into.
    pub(crate) fn phase_at(&self, position: u64) -> usize {
        let later = self.phases.iter().position(|phase| phase.from > position);
        later.unwrap_or(self.phases.len()).saturating_sub(1)
    }
}
