//! Named network namespaces, as ip-netns(8) keeps them: a bind mount of the namespace on a file.

use super::super::absent::remove_file;
use super::super::error::StepError;
use super::super::observe::mount_points;
use crate::mount_point;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::mount_bind;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Which of a process's namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Namespace {
    /// That of its network.
    Net,
    /// That of its ids.
    User,
    /// That of its System V IPC and POSIX message queues.
    Ipc,
}

impl Namespace {
    /// What makes one; nothing for the ids.
    pub(in super::super) fn flag(self) -> CloneFlags {
        match self {
            Self::Net => CloneFlags::CLONE_NEWNET,
            Self::User => CloneFlags::empty(),
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
        }
    }

    /// That of a process, or of the thread that asks (`thread-self`).
    fn of(self, process: impl std::fmt::Display) -> String {
        let kind = match self {
            Self::Net => "net",
            Self::User => "user",
            Self::Ipc => "ipc",
        };
        format!("/proc/{process}/ns/{kind}")
    }
}

const OWN: &str = "thread-self";
const DIR_MODE: u32 = 0o755;

/// Makes a new namespace of the host's root and keeps it at `path`, which must not hold one. It lives until
/// [`remove`] and the end of its last process. Blocks for some milliseconds.
pub(in super::super) fn create(kind: Namespace, path: &Path) -> Result<(), StepError> {
    make_mount_point(path)?;
    let target = path.to_owned();
    // A thread of its own: its namespace must not stay with a thread that does other work later.
    let made = std::thread::spawn(move || -> io::Result<()> {
        unshare(kind.flag())?;
        Ok(mount_bind(kind.of(OWN), &target)?)
    });
    let made = made
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread ended early")));
    made.map_err(StepError::file("make a namespace at", path))
}

/// Keeps a namespace of the process `pid` at `path` again, if it was kept there before: the file that it
/// was mounted on is left then.
pub(in super::super) fn keep_namespace(
    kind: Namespace,
    path: &Path,
    pid: u32,
) -> Result<(), StepError> {
    if !path.exists() || mount_points()?.contains(path) {
        return Ok(());
    }
    keep_new(kind, path, pid)
}

/// Keeps a namespace of the process `pid` at `path`, which holds none now. Refuses the agent's own:
/// whoever takes a container's links away there cuts the node off.
pub(in super::super) fn keep_new(kind: Namespace, path: &Path, pid: u32) -> Result<(), StepError> {
    let kept = StepError::file("keep a namespace at", path);
    match keep(kind, path, pid) {
        Ok(true) => Ok(()),
        Ok(false) => Err(kept(io::Error::other(format!(
            "process {pid} is in the host's"
        )))),
        Err(error) => Err(kept(error)),
    }
}

fn keep(kind: Namespace, path: &Path, pid: u32) -> io::Result<bool> {
    let namespace = kind.of(pid);
    let (theirs, own) = (
        std::fs::metadata(&namespace)?,
        std::fs::metadata(kind.of(OWN))?,
    );
    if (theirs.dev(), theirs.ino()) == (own.dev(), own.ino()) {
        return Ok(false);
    }
    make_mount_point(path).map_err(io::Error::other)?;
    mount_bind(&namespace, path)?;
    Ok(true)
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
    remove_file(path)
}

/// Unmounts everything at `path`, at once for new users and when they let go for those that use
/// it. Idempotent; a path that is not there is fine.
pub(in super::super) fn unmount_all(path: &Path) -> Result<(), StepError> {
    mount_point::unmount_all(path).map_err(|errno| StepError::file("unmount", path)(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_namespace_is_never_kept_as_a_containers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orlop-web");
        let error = keep_new(Namespace::Net, &path, std::process::id()).unwrap_err();
        assert!(!path.exists(), "{error}");
    }
}
