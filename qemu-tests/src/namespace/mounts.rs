//! The file systems of a namespace machine.

use crate::boot_loader::BootChoice;
use crate::namespace::devices;
use crate::namespace::{BootPlan, BootRoot};
use crate::spec::NodeDisk;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use orlop_initrd::{RootError, RootSpec, Verity};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A step of putting the machine's file systems together that failed.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The mounts of the host would see those of the machine.
    #[error("cannot make the mounts of the machine its own")]
    Private(#[source] nix::Error),
    /// The image's root cannot be made.
    #[error(transparent)]
    Image(#[from] RootError),
    /// A mount failed.
    #[error("cannot mount {what} on {path}")]
    Mount {
        /// A file system type or a path of the host.
        what: String,
        /// Where, as the host sees it.
        path: PathBuf,
        /// Why.
        source: nix::Error,
    },
    /// A file, folder or link cannot be made.
    #[error("cannot make {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new root cannot be made the root.
    #[error("cannot change to the new root {path}")]
    Pivot {
        /// The new root, as the host sees it.
        path: PathBuf,
        /// Why.
        source: nix::Error,
    },
}

/// Cuts the mount namespace off from the host's, and gives the place for the machine's root.
pub(super) fn private_mount_point(dir: &Path) -> Result<PathBuf, MountError> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(MountError::Private)?;
    let target = dir.join("root");
    make_dir(&target)?;
    Ok(target)
}

/// Mounts the machine's root on `target`.
pub(super) fn mount_root(plan: &BootPlan, target: &Path) -> Result<(), MountError> {
    match &plan.root {
        BootRoot::Tree(tree) => mount_tree(&plan.dir, tree, target)?,
        BootRoot::Image { disk, choice } => mount_image(disk, choice, target)?,
    }
    mount_new("tmpfs", &target.join("tmp"), "mode=1777")
}

fn mount_tree(dir: &Path, tree: &Path, target: &Path) -> Result<(), MountError> {
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    make_dir(&upper)?;
    make_dir(&work)?;
    let layers = [("lowerdir", tree), ("upperdir", &upper), ("workdir", &work)];
    let options = layers
        .map(|(name, path)| format!("{name}={}", path.display()))
        .join(",");
    mount_new("overlay", target, &options)?;
    mount_new("tmpfs", &target.join("run"), "mode=0755")
}

/// What the initrd does, without fs-verity: the host's kernel may not have it, and its file
/// systems seldom do.
fn mount_image(disk: &NodeDisk, choice: &BootChoice, target: &Path) -> Result<(), MountError> {
    let spec = RootSpec {
        state: disk.state.clone(),
        root: choice.root.clone(),
        verity: Verity::Off,
        target: target.to_owned(),
        before: None,
    };
    orlop_initrd::prepare(&spec)?;
    mount_new("tmpfs", &target.join("run"), "mode=0755")?;
    bind(&disk.efi, &target.join("efi"))
}

/// Mounts what the kernel offers: `/proc`, `/sys`, `/dev`.
///
/// What is not of a namespace but of the whole host is read-only: a machine under test must not
/// change the host's sysctls or pull its SysRq levers.
pub(super) fn mount_kernel_file_systems(target: &Path, terminal: &Path) -> Result<(), MountError> {
    let proc = target.join("proc");
    mount_new("proc", &proc, "")?;
    let sysctl = proc.join("sys");
    let net = sysctl.join("net");
    bind(&net, &net)?;
    bind_read_only(&sysctl)?;
    let sysrq = proc.join("sysrq-trigger");
    if sysrq.exists() {
        bind_read_only(&sysrq)?;
    }

    let sys = target.join("sys");
    // Read-only is this place alone, not the file system: else no container could mount its own.
    mount_with("sysfs", &sys, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "")?;
    bind_read_only(&sys)?;
    mount_new("cgroup2", &sys.join("fs/cgroup"), "")?;
    let dev = target.join("dev");
    devices::make_devices(&dev, terminal)?;
    mount_unseen(&dev.join(".kernel"))
}

/// In a user namespace the kernel lets nobody mount `/proc` or `/sys` where there is none that is whole, so
/// that nobody sees what was hidden (`mount_too_revealing` of Linux). A real node has whole ones. Here they
/// are below `folder`, which is covered at once: nothing on the machine has a path to them.
fn mount_unseen(folder: &Path) -> Result<(), MountError> {
    for kind in ["proc", "sysfs"] {
        let path = folder.join(kind);
        make_dir(&path)?;
        mount_new(kind, &path, "")?;
    }
    mount_new("tmpfs", folder, "mode=0,size=4k")
}

/// Makes `target` the root and lets go of the host's.
pub(super) fn enter_root(target: &Path) -> Result<(), MountError> {
    let failed = |source| MountError::Pivot {
        path: target.to_owned(),
        source,
    };
    chdir(target).map_err(failed)?;
    // Both at the same place puts the old root on top of the new one, as pivot_root(2) tells.
    pivot_root(".", ".").map_err(failed)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(failed)?;
    // systemd does so on a machine, and leaves it to who starts it in a container.
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SHARED, none).map_err(failed)?;
    chdir("/").map_err(failed)
}

/// Mounts a new file system. Its files cannot be devices nor change who runs them.
pub(super) fn mount_new(kind: &str, path: &Path, options: &str) -> Result<(), MountError> {
    // An overlay is a root file system, with programs that change their user; devpts is devices.
    let flags = match kind {
        "overlay" => MsFlags::empty(),
        "devpts" => MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        _ => MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    };
    mount_with(kind, path, flags, options)
}

fn mount_with(kind: &str, path: &Path, flags: MsFlags, options: &str) -> Result<(), MountError> {
    mount(Some(kind), path, Some(kind), flags, Some(options)).map_err(|source| MountError::Mount {
        what: kind.to_owned(),
        path: path.to_owned(),
        source,
    })
}

/// Shows `source` at `path` too, with what is mounted under it.
pub(super) fn bind(source: &Path, path: &Path) -> Result<(), MountError> {
    let none = None::<&str>;
    mount(
        Some(source),
        path,
        none,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        none,
    )
    .map_err(|error| {
        let what = source.display().to_string();
        MountError::Mount {
            what,
            path: path.to_owned(),
            source: error,
        }
    })
}

/// Makes `path` read-only, but not what is mounted under it.
fn bind_read_only(path: &Path) -> Result<(), MountError> {
    bind(path, path)?;
    let none = None::<&str>;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    mount(none, path, none, flags, none).map_err(|source| {
        let what = "read-only".to_owned();
        MountError::Mount {
            what,
            path: path.to_owned(),
            source,
        }
    })
}

/// Makes a folder where there is none.
pub(super) fn make_dir(path: &Path) -> Result<(), MountError> {
    fs::create_dir_all(path).map_err(|source| MountError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Makes an empty file, to mount a file over it.
pub(super) fn create_file(path: &Path) -> Result<(), MountError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map(drop)
        .map_err(|source| MountError::Write {
            path: path.to_owned(),
            source,
        })
}
