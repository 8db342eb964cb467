//! File systems by the new mount API, with the kernel's own words when it refuses.

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Longest message of the kernel that is passed on, in bytes.
const MESSAGE_LIMIT: usize = 1024;

/// A file system that could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}{}", Explanation(.message))]
pub struct FsContextError {
    /// What was tried.
    pub step: String,
    /// What the kernel said about it, if anything.
    pub message: String,
    /// The error.
    pub source: std::io::Error,
}

struct Explanation<'a>(&'a str);

impl std::fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.0)
        }
    }
}

/// A file system being configured, see fsopen(2).
#[derive(Debug)]
pub struct FsContext {
    kind: &'static str,
    fd: OwnedFd,
}

impl FsContext {
    /// Opens a context for a file system type.
    ///
    /// # Errors
    /// If the kernel does not know the type, or refuses.
    pub fn open(kind: &'static str) -> Result<Self, FsContextError> {
        let fd = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
            .map_err(|errno| failed(format!("open a context for {kind}"), errno))?;
        Ok(Self { kind, fd })
    }

    /// Sets an option that has a value.
    ///
    /// # Errors
    /// If the file system does not take it.
    pub fn set(self, key: &str, value: impl AsRef<Path>) -> Result<Self, FsContextError> {
        let value = value.as_ref();
        fsconfig_set_string(&self.fd, key, value).map_err(|errno| {
            self.explained(
                format!("set {key}={} of {}", value.display(), self.kind),
                errno,
            )
        })?;
        Ok(self)
    }

    /// Sets an option that has none.
    ///
    /// # Errors
    /// If the file system does not take it.
    pub fn flag(self, key: &str) -> Result<Self, FsContextError> {
        fsconfig_set_flag(&self.fd, key)
            .map_err(|errno| self.explained(format!("set {key} of {}", self.kind), errno))?;
        Ok(self)
    }

    /// Makes the file system and a mount of it that is nowhere yet.
    ///
    /// # Errors
    /// If the file system cannot be made out of the options.
    pub fn mount(self, attributes: MountAttrFlags) -> Result<DetachedMount, FsContextError> {
        fsconfig_create(&self.fd)
            .map_err(|errno| self.explained(format!("mount {}", self.kind), errno))?;
        let fd = fsmount(&self.fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .map_err(|errno| self.explained(format!("mount {}", self.kind), errno))?;
        Ok(DetachedMount { fd })
    }

    fn explained(&self, step: String, errno: Errno) -> FsContextError {
        let mut buffer = [0_u8; MESSAGE_LIMIT];
        // An error here is the usual ENODATA: the kernel has nothing to add.
        let length = rustix::io::read(&self.fd, &mut buffer).unwrap_or(0);
        let message = String::from_utf8_lossy(&buffer[..length])
            .trim_end()
            .to_owned();
        FsContextError {
            message,
            ..failed(step, errno)
        }
    }
}

fn failed(step: String, errno: Errno) -> FsContextError {
    FsContextError {
        step,
        message: String::new(),
        source: errno.into(),
    }
}

/// A mount that is nowhere yet; dropping it unmounts it.
#[derive(Debug)]
pub struct DetachedMount {
    fd: OwnedFd,
}

impl DetachedMount {
    /// A copy of the mounts at and below `source`, a recursive bind.
    ///
    /// # Errors
    /// If there is no such path.
    pub fn copy_of(source: &Path) -> Result<Self, FsContextError> {
        Self::copy(source, OpenTreeFlags::AT_RECURSIVE)
    }

    /// A copy of the mount at `source` without those below it.
    ///
    /// # Errors
    /// If there is no such path.
    pub fn copy_of_one(source: &Path) -> Result<Self, FsContextError> {
        Self::copy(source, OpenTreeFlags::empty())
    }

    fn copy(source: &Path, more: OpenTreeFlags) -> Result<Self, FsContextError> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | more;
        let fd = open_tree(CWD, source, flags)
            .map_err(|errno| failed(format!("copy the mount at {}", source.display()), errno))?;
        Ok(Self { fd })
    }

    /// Lets its files belong to the ids that their own are mapped to in the user namespace `ids`
    /// (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
    ///
    /// # Errors
    /// If the file system cannot do it.
    pub fn map_ids(self, ids: impl AsFd) -> Result<Self, FsContextError> {
        let mapped = composefs_ioctls::mount::mount_setattr_idmap(&self.fd, ids);
        mapped.map_err(|source| FsContextError {
            step: "map the ids of a mount".to_owned(),
            message: String::new(),
            source,
        })?;
        Ok(self)
    }

    /// Puts it at `target`, over what may be mounted there.
    ///
    /// # Errors
    /// If `target` is no place to mount at.
    pub fn attach(self, target: &Path) -> Result<(), FsContextError> {
        move_mount(
            &self.fd,
            "",
            CWD,
            target,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .map_err(|errno| failed(format!("attach a mount at {}", target.display()), errno))
    }
}
