//! What a running container keeps through a soft reboot, and the host loses: systemd carries `/run` into
//! the new root, but no mount below it.

use super::error::StepError;
use nix::sched::{CloneFlags, setns, unshare};
use orlop_config::RootDigest;
use orlop_initrd::fs_context::DetachedMount;
use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;

pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// Mounts the root of a container at `target` as its process `pid` has it: the same file system. A
/// second overlay on the same writable layer is what the kernel warns of: changes made through one
/// may go unseen in the other.
pub(super) fn mount_root_of(pid: u32, root: &RootDigest, target: &Path) -> Result<(), StepError> {
    mount_as_in(pid, Path::new("/"), target).map_err(|source| StepError::Mount {
        root: root.short().to_owned(),
        source,
    })
}

/// Mounts what process `pid` has at `path` at `target`: the same file system.
pub(super) fn mount_as_in(pid: u32, path: &'static Path, target: &Path) -> Result<(), Cause> {
    // A thread of its own: what it does to its namespace must not stay with a thread that does other
    // work later.
    let copied = std::thread::spawn(move || copy_of(pid, path)).join();
    copied
        .unwrap_or_else(|_| Err(io::Error::other("the thread ended early").into()))
        .and_then(|copy| Ok(copy.attach(target)?))
}

/// The kernel copies mounts of the own namespace alone (open_tree(2)).
fn copy_of(pid: u32, path: &Path) -> Result<DetachedMount, Cause> {
    let namespace = File::open(format!("/proc/{pid}/ns/mnt"))?;
    // Root and working directory are shared with the other threads, which setns(2) refuses.
    unshare(CloneFlags::CLONE_FS)?;
    setns(&namespace, CloneFlags::CLONE_NEWNS)?;
    Ok(DetachedMount::copy_of_one(path)?)
}
