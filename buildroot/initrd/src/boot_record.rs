//! `/run/orlop/boot.json`: what was mounted as `/`, for the agent.

use crate::root::Verity;
use orlop_config::RootDigest;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What was mounted as `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// The image.
    pub root: RootDigest,
    /// Whether the kernel checks every byte of it.
    pub verity: bool,
}

impl BootRecord {
    /// The record of a root mounted so.
    pub fn new(root: &RootDigest, verity: Verity) -> Self {
        Self {
            root: root.clone(),
            verity: verity == Verity::Required,
        }
    }

    /// Writes it to `orlop/boot.json` under `run`, atomically.
    ///
    /// # Errors
    /// If the directory or the file cannot be written.
    pub fn write(&self, run: &Path) -> io::Result<()> {
        let dir = run.join("orlop");
        std::fs::create_dir_all(&dir)?;
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        crate::atomic_write::atomic_write(&dir.join("boot.json"), text.as_bytes(), 0o644)
    }

    /// Reads it back from `orlop/boot.json` under `run`.
    ///
    /// # Errors
    /// If there is none, or it is not one.
    pub fn read(run: &Path) -> io::Result<Self> {
        let text = std::fs::read(run.join("orlop/boot.json"))?;
        serde_json::from_slice(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_record_has_the_agreed_form_and_is_read_back() {
        let run = tempfile::tempdir().unwrap();
        let root: RootDigest = "ab".repeat(32).parse().unwrap();
        let record = BootRecord::new(&root, Verity::Required);
        record.write(run.path()).unwrap();
        let text = std::fs::read_to_string(run.path().join("orlop/boot.json")).unwrap();
        assert_eq!(text, format!("{{\"root\":\"{root}\",\"verity\":true}}"));
        assert_eq!(BootRecord::read(run.path()).unwrap(), record);
    }
}
