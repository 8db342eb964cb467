//! Removing what killed processes left behind.
//!
//! Processes, mounts, namespaces and interfaces of a machine die with its supervisor, by the
//! kernel's doing. What can be left are control groups and folders; both carry the number and
//! start time of the process they belong to in their names.

use crate::cgroup::{Cgroup, CgroupError};
use crate::process::ProcessId;
use crate::scratch;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Something left behind cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A control group.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A folder.
    #[error("cannot remove {path}")]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Removes what belongs to processes that are gone, and gives the paths of it.
///
/// # Errors
/// The first thing that cannot be removed; the rest is left for the next sweep.
pub fn sweep() -> Result<Vec<PathBuf>, SweepError> {
    let mut removed = Vec::new();
    for (group, supervisor) in Cgroup::all()? {
        if !supervisor.alive() {
            group.destroy()?;
            removed.push(group.path().to_owned());
        }
    }
    // No folder: nothing has been left in it.
    let Ok(entries) = fs::read_dir(scratch::base()) else {
        return Ok(removed);
    };
    for entry in entries.flatten() {
        let owner = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<ProcessId>().ok());
        if owner.is_some_and(|owner| !owner.alive()) {
            let path = entry.path();
            match fs::remove_dir_all(&path) {
                // Another sweep was quicker.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SweepError::Remove { path, source }),
                Ok(()) => removed.push(path),
            }
        }
    }
    Ok(removed)
}
