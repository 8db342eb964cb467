//! Named network namespaces, as ip-netns(8) keeps them: a bind mount of the namespace on a file.

use super::super::error::StepError;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The namespace of the thread that asks.
const OWN: &str = "/proc/thread-self/ns/net";
const DIR_MODE: u32 = 0o755;

/// Makes a new network namespace and keeps it at `path`, which must not hold one. It lives until
/// [`remove`] and the end of its last process. Blocks for some milliseconds.
pub(super) fn create(path: &Path) -> Result<(), StepError> {
    make_mount_point(path)?;
    let target = path.to_owned();
    // A thread of its own: its namespace must not stay with a thread that does other work later.
    let made = std::thread::spawn(move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(mount_bind(OWN, &target)?)
    });
    let made = made
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread ended early")));
    made.map_err(StepError::file("make a network namespace at", path))
}

/// Keeps the network namespace of the process `pid` at `path`, where it was kept before.
pub(super) fn keep_again(path: &Path, pid: u32) -> Result<(), StepError> {
    make_mount_point(path)?;
    mount_bind(format!("/proc/{pid}/ns/net"), path)
        .map_err(|error| StepError::file("keep the network namespace at", path)(error.into()))
}

fn make_mount_point(path: &Path) -> Result<(), StepError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(StepError::file("create", dir))?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(StepError::file("create", path))?;
    Ok(())
}

/// Lets go of the namespace at `path`. Idempotent.
pub(in super::super) fn remove(path: &Path) -> Result<(), StepError> {
    unmount_all(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StepError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// A mount point of ours is never mounted over more often than a start cut short can do it.
const MOST_LAYERS: usize = 16;

/// Unmounts everything at `path`, at once for new users and when they let go for those that use
/// it. Idempotent; a path that is not there is fine.
pub(in super::super) fn unmount_all(path: &Path) -> Result<(), StepError> {
    for _ in 0..MOST_LAYERS {
        match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // No mount point, or no such path.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => return Err(StepError::file("unmount", path)(error.into())),
        }
    }
    Ok(())
}
