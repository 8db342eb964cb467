//! The control group of a machine.
//!
//! Works where systemd is not the host's init: on a pure cgroup2 host the machines' groups lie
//! under `/sys/fs/cgroup`, on a hybrid one under `/sys/fs/cgroup/unified` (without controllers, as
//! the v1 hierarchies hold them). A group's name ends in the supervisor's [`ProcessId`], so that a
//! sweep finds what a killed supervisor left behind without any other record.

use crate::process::ProcessId;
use crate::wait::{TimedOut, wait_for};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where cgroup2 may be mounted, in the order of trying.
const CGROUP2_MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The group that holds all machines.
const PARENT: &str = "orlop-machines";
/// Controllers that a machine gets where the host has them to give.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];
/// How long killed processes may take to be gone.
const EMPTY_DEADLINE: Duration = Duration::from_secs(10);

/// What can go wrong with a machine's control group.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The host has no cgroup2 hierarchy.
    #[error("cannot find a cgroup2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified")]
    NoHierarchy,
    /// A group cannot be made.
    #[error("cannot make the control group {path}")]
    Make {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The processes in a group cannot be killed.
    #[error("cannot kill the processes of the control group {path}")]
    Kill {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A group cannot be removed.
    #[error("cannot remove the control group {path}")]
    Remove {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Killed processes do not go away.
    #[error(transparent)]
    StillPopulated(#[from] TimedOut),
}

/// A machine's control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes the group of a machine that `supervisor` looks after.
    ///
    /// # Errors
    /// No cgroup2, or no right to make a group in it.
    pub fn make(machine: &str, supervisor: ProcessId) -> Result<Self, CgroupError> {
        let base = hierarchy()?;
        let parent = base.join(PARENT);
        delegate_controllers(&base);
        make_dir(&parent)?;
        delegate_controllers(&parent);
        let path = parent.join(format!("{machine}-{supervisor}"));
        make_dir(&path)?;
        Ok(Self { path })
    }

    /// Every machine's group, with the supervisor that its name tells.
    ///
    /// # Errors
    /// No cgroup2 hierarchy.
    pub fn all() -> Result<Vec<(Self, ProcessId)>, CgroupError> {
        let parent = hierarchy()?.join(PARENT);
        // No machine has run since the host booted: there is no parent group.
        let Ok(entries) = fs::read_dir(&parent) else {
            return Ok(Vec::new());
        };
        let groups = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let mut parts = name.rsplitn(3, '-');
            let (ticks, pid) = (parts.next()?, parts.next()?);
            let supervisor = format!("{pid}-{ticks}").parse().ok()?;
            Some((Self { path: entry.path() }, supervisor))
        });
        Ok(groups.collect())
    }

    /// Its path on the host.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Kills every process in the group and the groups under it, waits until they are gone and
    /// removes the groups. A group that is gone already is fine.
    ///
    /// # Errors
    /// Processes that cannot be killed, or that do not go away within ten seconds.
    pub fn destroy(&self) -> Result<(), CgroupError> {
        if !self.path.exists() {
            return Ok(());
        }
        fs::write(self.path.join("cgroup.kill"), "1").map_err(|source| CgroupError::Kill {
            path: self.path.clone(),
            source,
        })?;
        let what = format!("the control group {} empty", self.path.display());
        wait_for(&what, EMPTY_DEADLINE, || {
            let events = fs::read_to_string(self.path.join("cgroup.events"));
            match events {
                Ok(text) if text.lines().any(|line| line == "populated 0") => Ok(()),
                Ok(_) => Err("processes in it".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })?;
        remove_tree(&self.path)
    }
}

fn hierarchy() -> Result<PathBuf, CgroupError> {
    CGROUP2_MOUNTS
        .into_iter()
        .map(PathBuf::from)
        // Only a cgroup2 hierarchy has this file at its top.
        .find(|path| path.join("cgroup.subtree_control").exists())
        .ok_or(CgroupError::NoHierarchy)
}

fn make_dir(path: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(CgroupError::Make {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Hands controllers down. One that is not there, or is held by a v1 hierarchy, is left out: the
/// machine then has no limits of that kind, all else works.
fn delegate_controllers(path: &Path) {
    for controller in CONTROLLERS {
        let change = format!("+{controller}");
        if let Err(error) = fs::write(path.join("cgroup.subtree_control"), change) {
            log::debug!(
                "ignoring: no {controller} controller in {}: {error}",
                path.display()
            );
        }
    }
}

/// Removes empty groups, the innermost first.
fn remove_tree(path: &Path) -> Result<(), CgroupError> {
    let failed = |source| CgroupError::Remove {
        path: path.to_owned(),
        source,
    };
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path).map_err(failed)
}
