//! Folders of tests, which are gone when their test is, however it ends.

use crate::process::ProcessId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the folders lie; the environment variable wins. Not `/tmp`, which may be small.
pub const SCRATCH_VAR: &str = "ORLOP_MACHINES_DIR";
/// Where the folders lie else.
const DEFAULT: &str = "/var/tmp/orlop-machines";

/// A scratch folder cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a folder under {path} (set {SCRATCH_VAR} to put it elsewhere)")]
pub struct ScratchError {
    path: PathBuf,
    source: io::Error,
}

/// Where the scratch folders of all test processes lie.
pub(crate) fn base() -> PathBuf {
    std::env::var_os(SCRATCH_VAR).map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from)
}

/// A folder that is removed when this value goes, or by a sweep if its process is killed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder that belongs to the calling process.
    ///
    /// # Errors
    /// No place to make it.
    pub fn new() -> Result<Self, ScratchError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base = base();
        let failed = |source| ScratchError {
            path: base.clone(),
            source,
        };
        let own = ProcessId::own().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(own.to_string()).join(count.to_string());
        fs::create_dir_all(&path).map_err(failed)?;
        Ok(Self { path })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            log::warn!("ignoring: cannot remove {}: {error}", self.path.display());
        }
        // Goes with the last folder of the process; until then it is not empty.
        if let Some(parent) = self.path.parent() {
            drop(fs::remove_dir(parent));
        }
    }
}
