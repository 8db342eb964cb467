//! A complete root file system out of a state partition and the digest of an image.

use crate::boot_record::BootRecord;
use crate::factory::{self, FactoryError};
use crate::fs_context::{DetachedMount, FsContext, FsContextError};
use crate::{machine_id, state};
use composefs_ioctls::fsverity::{MeasureVerityError, fs_ioc_measure_verity};
use orlop_config::RootDigest;
use rustix::mount::{MountAttrFlags, UnmountFlags};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// FS_VERITY_HASH_ALG_SHA256 of linux/fsverity.h.
pub(crate) const VERITY_SHA256: u8 = 1;

/// Bytes that `/etc` may take. It holds text; a runaway writer must not take the memory.
const ETC_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Where the image keeps what becomes `/etc`.
const FACTORY_ETC: &str = "usr/share/factory/etc";

/// Whether the kernel checks what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verity {
    /// Every byte is checked against the root digest; a kernel or a store that cannot is an error.
    Required,
    /// Nothing is checked. Only for machines of tests whose kernel has no fs-verity.
    Off,
}

/// What to make where.
#[derive(Clone, Debug)]
pub struct RootSpec {
    /// Where the state partition is mounted.
    pub state: PathBuf,
    /// The image.
    pub root: RootDigest,
    /// Whether the kernel checks it.
    pub verity: Verity,
    /// An existing directory: the new root is mounted on it.
    pub target: PathBuf,
    /// The root that it takes over from, with what is mounted below its `/mnt` and `/media`; none when the machine
    /// starts.
    pub before: Option<PathBuf>,
}

/// A root that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The store does not have the image.
    #[error("cannot open the OS image {path}")]
    OpenImage {
        /// The object.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image is not protected, or it cannot be told.
    #[error("cannot check the OS image {path} against its digest")]
    Measure {
        /// The object.
        path: PathBuf,
        /// Why.
        source: MeasureVerityError,
    },
    /// The image is another than its name says.
    #[error("cannot trust the OS image {path}: its digest is {found}, expected {expected}")]
    WrongDigest {
        /// The object.
        path: PathBuf,
        /// What the kernel measured.
        found: String,
        /// What was asked for.
        expected: RootDigest,
    },
    /// A mount failed.
    #[error("cannot mount {what} at {target}")]
    Mount {
        /// What.
        what: &'static str,
        /// Where.
        target: PathBuf,
        /// Why.
        source: FsContextError,
    },
    /// The helper mount of the image could not be taken away.
    #[error("cannot detach {target}")]
    Detach {
        /// Where.
        target: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory on the state partition could not be made.
    #[error("cannot create {path}")]
    CreateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `/etc` could not be filled.
    #[error("cannot fill /etc")]
    Etc(#[source] FactoryError),
    /// The machine id could be neither read nor made.
    #[error("cannot make the machine id in {state}")]
    MachineId {
        /// The state partition.
        state: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine id could not be put into the new `/etc`.
    #[error("cannot write {path}")]
    WriteMachineId {
        /// The new file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The boot record could not be written.
    #[error("cannot write the boot record under {etc}")]
    BootRecord {
        /// The new `/etc`.
        etc: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes `spec.target` a complete root: the image, read-only; `/state`, a recursive bind of the
/// state partition; `/var` from it; `/mnt` and `/media` from there, with what is mounted below them; a fresh `/etc` out of the image's factory settings with the
/// node's machine id and the [`BootRecord`]. `/run`, `/dev`, `/proc`, `/sys` and `/tmp` stay empty, for the caller.
///
/// Not idempotent: each call mounts a new root over what is there. A failed call leaves nothing
/// mounted. A new machine id is durable on return.
///
/// # Errors
/// Each step has its own; see [`RootError`].
pub fn prepare(spec: &RootSpec) -> Result<(), RootError> {
    check_image(spec)?;
    mount_image(spec)?;
    let outcome = furnish(spec);
    if outcome.is_err() {
        // The first error is the one to tell; a mount that stays is the lesser trouble.
        let _ignored = rustix::mount::unmount(&spec.target, UnmountFlags::DETACH);
    }
    outcome
}

/// What goes on top of the mounted image.
fn furnish(spec: &RootSpec) -> Result<(), RootError> {
    bind(
        &spec.state,
        "the state partition",
        &spec.target.join("state"),
    )?;
    let var = state::var(&spec.state);
    create_dir(&var)?;
    bind(&var, "/var", &spec.target.join("var"))?;
    for (name, what) in MOUNT_PLACES {
        let (kept, target) = (var.join(name), spec.target.join(name));
        // An image from before these has none.
        if target.is_dir() {
            create_dir(&kept)?;
            let before = spec.before.as_ref().map(|root| root.join(name));
            let source = before.filter(|place| place.is_dir()).unwrap_or(kept);
            bind(&source, what, &target)?;
        }
    }
    mount_etc(&spec.target)?;
    write_machine_id(spec)?;
    let etc = spec.target.join("etc");
    BootRecord::new(&spec.root, spec.verity)
        .write(&etc)
        .map_err(|source| RootError::BootRecord { etc, source })
}

/// The overlay checks each object against the image; this checks the image itself.
fn check_image(spec: &RootSpec) -> Result<(), RootError> {
    let path = state::image(&spec.state, &spec.root);
    let file = File::open(&path).map_err(|source| RootError::OpenImage {
        path: path.clone(),
        source,
    })?;
    if spec.verity == Verity::Off {
        return Ok(());
    }
    let digest: [u8; 32] =
        fs_ioc_measure_verity(&file, VERITY_SHA256).map_err(|source| RootError::Measure {
            path: path.clone(),
            source,
        })?;
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if found == spec.root.as_str() {
        Ok(())
    } else {
        Err(RootError::WrongDigest {
            path,
            found,
            expected: spec.root.clone(),
        })
    }
}

/// EROFS for the names, the store's objects for the data.
///
/// Up to Linux 6.14 the lower layer must be a mount with a place, so the EROFS is mounted at the
/// target for a moment; the overlay keeps its own hold of it.
fn mount_image(spec: &RootSpec) -> Result<(), RootError> {
    let target = &spec.target;
    let failed = |what| {
        move |source| RootError::Mount {
            what,
            target: target.clone(),
            source,
        }
    };
    mount_erofs(&state::image(&spec.state, &spec.root), target)
        .map_err(failed("the OS image's metadata"))?;
    let overlay = overlay(spec).map_err(failed("the OS image"));
    rustix::mount::unmount(target, UnmountFlags::DETACH).map_err(|errno| RootError::Detach {
        target: target.clone(),
        source: errno.into(),
    })?;
    overlay?.attach(target).map_err(failed("the OS image"))
}

fn mount_erofs(image: &Path, target: &Path) -> Result<(), FsContextError> {
    FsContext::open("erofs")?
        .flag("ro")?
        .set("source", image)?
        .mount(MountAttrFlags::MOUNT_ATTR_RDONLY)?
        .attach(target)
}

fn overlay(spec: &RootSpec) -> Result<DetachedMount, FsContextError> {
    let mut context = FsContext::open("overlay")?
        .set("source", format!("orlop:{}", spec.root.short()))?
        .set("metacopy", "on")?
        .set("redirect_dir", "on")?;
    if spec.verity == Verity::Required {
        context = context.set("verity", "require")?;
    }
    context
        .set("lowerdir+", &spec.target)?
        .set("datadir+", state::objects(&spec.state))?
        .mount(MountAttrFlags::MOUNT_ATTR_RDONLY)
}

/// Where people and containers mount disks (file-hierarchy(7), hier(7)), below `/var` and in the root.
const MOUNT_PLACES: [(&str, &str); 2] = [("mnt", "/mnt"), ("media", "/media")];

fn bind(source: &Path, what: &'static str, target: &Path) -> Result<(), RootError> {
    DetachedMount::copy_of(source)
        .and_then(|mount| mount.attach(target))
        .map_err(|source| RootError::Mount {
            what,
            target: target.to_owned(),
            source,
        })
}

fn create_dir(path: &Path) -> Result<(), RootError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|source| RootError::CreateDir {
            path: path.to_owned(),
            source,
        })
}

fn mount_etc(target: &Path) -> Result<(), RootError> {
    let etc = target.join("etc");
    tmpfs(&etc).map_err(|source| RootError::Mount {
        what: "/etc",
        target: etc.clone(),
        source,
    })?;
    factory::copy_tree(&target.join(FACTORY_ETC), &etc).map_err(RootError::Etc)
}

fn tmpfs(target: &Path) -> Result<(), FsContextError> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    FsContext::open("tmpfs")?
        .set("source", "orlop-etc")?
        .set("mode", "0755")?
        .set("size", ETC_LIMIT_BYTES.to_string())?
        .mount(attributes)?
        .attach(target)
}

fn write_machine_id(spec: &RootSpec) -> Result<(), RootError> {
    let id = machine_id::ensure(&spec.state).map_err(|source| RootError::MachineId {
        state: spec.state.clone(),
        source,
    })?;
    let path = spec.target.join("etc/machine-id");
    crate::atomic_write::atomic_write(&path, id.as_bytes(), 0o444)
        .map_err(|source| RootError::WriteMachineId { path, source })
}
