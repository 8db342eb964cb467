//! IPC that containers share: a namespace and a `/dev/shm`, kept beside the bundle of the container whose they
//! are, so that each of them can end and start again by itself. All blocking.

use super::absent::remove_file;
use super::carry;
use super::desired::DesiredContainer;
use super::error::StepError;
use super::ids;
use super::mounts::shm_size;
use super::net::{Namespace, keep_namespace, remove_namespace, unmount_all};
use super::observe::{mount_points, read_text};
use super::places::Places;
use super::user_ns;
use crate::id_range::IdRange;
use orlop_initrd::atomic_write::atomic_write;
use orlop_initrd::fs_context::{FsContext, FsContextError};
use rustix::mount::MountAttrFlags;
use std::io;
use std::path::Path;

/// Where each container has it.
pub(super) const SHM: &str = "/dev/shm";
/// What belongs to the host's user namespace.
const OF_HOST: &str = "host";
const FILE_MODE: u32 = 0o600;

/// Makes what `holder` shares with others, whose user namespace is there, where it is not there already: what
/// is in it stays. Idempotent.
pub(super) fn ensure(places: &Places, holder: &DesiredContainer) -> Result<(), StepError> {
    let instance = &holder.instance();
    let range = ids::of(places, instance)?;
    let owner = range.map(|_| places.userns_file(&holder.user_namespace()));
    let whose = match &owner {
        Some(owner) => user_ns::number(owner)?.to_string(),
        None => OF_HOST.to_owned(),
    };
    let (namespace, shm) = (places.ipcns_file(instance), places.shm(instance));
    let (mark, mounts) = (places.ipc_ready(instance), mount_points()?);
    let made = read_text(&mark)?.is_some_and(|found| found == whose);
    if made && mounts.contains(&namespace) && mounts.contains(&shm) {
        return Ok(());
    }
    remove_file(&mark)?;
    remove_namespace(&namespace)?;
    unmount_all(&shm)?;
    user_ns::create_within(owner.as_deref(), Namespace::Ipc, &namespace)?;
    std::fs::create_dir_all(&shm).map_err(StepError::file("create", &shm))?;
    mount_shm(holder, range, &shm)
        .map_err(|error| StepError::file("mount", &shm)(io::Error::other(error)))?;
    // Last: it stands for the whole.
    atomic_write(&mark, whose.as_bytes(), FILE_MODE).map_err(StepError::file("write", &mark))
}

/// Its root belongs to the container's root.
fn mount_shm(
    holder: &DesiredContainer,
    range: Option<IdRange>,
    target: &Path,
) -> Result<(), FsContextError> {
    let root = range.map_or(0, IdRange::root).to_string();
    FsContext::open("tmpfs")?
        .set("size", format!("{}k", shm_size(holder)))?
        .set("mode", "1777")?
        .set("uid", &root)?
        .set("gid", &root)?
        .mount(
            MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOEXEC,
        )?
        .attach(target)
}

/// Keeps what `container`, whose process is `pid`, shares with others again, if it was kept before.
pub(super) fn keep_again(
    places: &Places,
    container: &DesiredContainer,
    pid: u32,
) -> Result<(), StepError> {
    let Some(holder) = container.shared_ipc() else {
        return Ok(());
    };
    keep_namespace(Namespace::Ipc, &places.ipcns_file(holder), pid)?;
    let shm = places.shm(holder);
    if !shm.exists() || mount_points()?.contains(&shm) {
        return Ok(());
    }
    carry::mount_as_in(pid, Path::new(SHM), &shm)
        .map_err(|error| StepError::file("mount", &shm)(io::Error::other(error)))
}
