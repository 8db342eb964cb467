//! `/etc/orlop/boot.json`: what is mounted as `/`, for the agent. Each root has its own `/etc`, so the
//! word changes in the same moment as the root.

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

    /// Writes it to `orlop/boot.json` under `etc`, atomically.
    ///
    /// # Errors
    /// If the directory or the file cannot be written.
    pub fn write(&self, etc: &Path) -> io::Result<()> {
        let dir = etc.join("orlop");
        std::fs::create_dir_all(&dir)?;
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        crate::atomic_write::atomic_write(&dir.join("boot.json"), text.as_bytes(), 0o644)
    }

    /// Reads it back from `orlop/boot.json` under `etc`.
    ///
    /// # Errors
    /// If there is none, or it is not one.
    pub fn read(etc: &Path) -> io::Result<Self> {
        let text = std::fs::read(etc.join("orlop/boot.json"))?;
        serde_json::from_slice(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_record_has_the_agreed_form_and_is_read_back() {
        let etc = tempfile::tempdir().unwrap();
        let root: RootDigest = "ab".repeat(32).parse().unwrap();
        let record = BootRecord::new(&root, Verity::Required);
        record.write(etc.path()).unwrap();
        let text = std::fs::read_to_string(etc.path().join("orlop/boot.json")).unwrap();
        assert_eq!(text, format!("{{\"root\":\"{root}\",\"verity\":true}}"));
        assert_eq!(BootRecord::read(etc.path()).unwrap(), record);
    }
}
