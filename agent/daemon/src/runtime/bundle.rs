//! A container on disk: writable layer, mounted root, volumes, OCI bundle. All blocking.

use super::absent::{remove_dir, remove_file};
use super::desired::{DesiredContainer, Network, SpecHash};
use super::error::{RuntimeError, Step, StepError};
use super::given::Given;
use super::host_files;
use super::identity::directory_inside;
use super::ids;
use super::instance::Instance;
use super::mounts::HOST_FILES;
use super::net::Addresses;
use super::net::{remove_namespace, unmount_all};
use super::observe::{mount_points, read_text};
use super::places::Places;
use super::plan::Layer;
use super::root_mount::RootMounter;
use super::user_ns::Holder;
use super::{far_end, init_program, local_time, os_files, process, spec};
use crate::id_range::IdRange;
use orlop_config::{Name, RootDigest, Secret, VolumeMount};
use orlop_initrd::atomic_write::atomic_write;
use orlop_initrd::fs_context::DetachedMount;
use rustix::fs::{Gid, Mode, Uid, chmod, chown};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::DirBuilder;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Bundles and layers are for root only: they hold what containers write, and their environment.
const PRIVATE: u32 = 0o700;
/// Folders that others pass through to what they know of: everybody, or the one whose group they have.
const PASSAGE: u32 = 0o711;
const PASSAGE_OF_ONE: u32 = 0o710;
/// What becomes `/` in the container, and files that everybody in it may read.
const OPEN_DIR: u32 = 0o755;
const OPEN_FILE: u32 = 0o644;
const PRIVATE_FILE: u32 = 0o600;
const RESOLV_CONF: &str = "/etc/resolv.conf";

fn make_dir(path: &Path, mode: u32) -> Result<(), StepError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(StepError::file("create", path))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StepError> {
    atomic_write(path, bytes, mode).map_err(StepError::file("write", path))
}

/// Mounts the root of `container` on its writable layer, which begins empty where `layer` says so.
/// Idempotent.
pub(super) fn mount_root(
    places: &Places,
    mounter: &dyn RootMounter,
    container: &DesiredContainer,
    hash: &SpecHash,
    layer: Layer,
    range: Option<IdRange>,
) -> Result<(), RuntimeError> {
    let (name, instance) = (&container.name, &container.instance());
    let mount = || -> Result<(), StepError> {
        let (rootfs, own) = (places.rootfs(instance), places.layer(instance));
        let (upper, work) = (own.join("upper"), own.join("work"));
        if layer == Layer::Fresh || ids::of(places, instance)? != range {
            unmount_all(&rootfs)?;
        }
        if layer == Layer::Fresh {
            remove_layer(places, instance)?;
        }
        make_dir(&own, PRIVATE)?;
        make_dir(&upper, OPEN_DIR)?;
        make_dir(&work, OPEN_DIR)?;
        write(
            &places.layer_spec(instance),
            hash.as_str().as_bytes(),
            PRIVATE_FILE,
        )?;
        make_bundle(places, instance, range)?;
        make_dir(&rootfs, PRIVATE)?;
        if mount_points()?.contains(&rootfs) {
            return Ok(());
        }
        let root = &container.image.root;
        match range {
            None => mounter
                .mount_with_upper(root, &upper, &work, None, &rootfs)
                .map_err(not_mounted(root)),
            Some(range) => mount_mapped(places, mounter, container, range),
        }
    };
    mount().map_err(RuntimeError::of(name, Step::MountRoot))
}

/// Makes the bundle's folder, which the container's root passes through on its way to its root file system,
/// and nobody else but the host's.
fn make_bundle(
    places: &Places,
    instance: &Instance,
    range: Option<IdRange>,
) -> Result<(), StepError> {
    let (all, bundle) = (places.bundles(), places.bundle(instance));
    make_dir(&all, PASSAGE)?;
    make_dir(&bundle, PRIVATE)?;
    let fail = |error: rustix::io::Errno| StepError::file("open up", &bundle)(error.into());
    if let Some(range) = range {
        // An agent before this one made it for root alone.
        chmod(&all, Mode::from_raw_mode(PASSAGE)).map_err(fail)?;
        chown(&bundle, None, Some(Gid::from_raw(range.root()))).map_err(fail)?;
        chmod(&bundle, Mode::from_raw_mode(PASSAGE_OF_ONE)).map_err(fail)?;
    }
    if ids::of(places, instance)? != range {
        remove_namespace(&places.userns_file(instance))?;
    }
    ids::keep(places, instance, range)
}

/// Mounts the root of `container` with the ids of `range`. On disk its writable layer has the container's own
/// ids: it is mounted a second time, with its ids mapped, while the overlay is put together.
fn mount_mapped(
    places: &Places,
    mounter: &dyn RootMounter,
    container: &DesiredContainer,
    range: IdRange,
) -> Result<(), StepError> {
    let name = &container.instance();
    let (layer, root) = (places.mapped_layer(name), &container.image.root);
    let namespace = Holder::new(&range.map_of_layer(), None)?.open()?;
    unmount_all(&layer)?;
    make_dir(&layer, PRIVATE)?;
    let mapped = DetachedMount::copy_of_one(&places.layer(name))
        .and_then(|copy| copy.map_ids(&namespace)?.attach(&layer));
    mapped.map_err(|source| not_mounted(root)(source.into()))?;
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    let ids = Some(namespace.as_fd());
    let mounted = mounter.mount_with_upper(root, &upper, &work, ids, &places.rootfs(name));
    // The overlay has copies of its own.
    unmount_all(&layer)?;
    mounted.map_err(not_mounted(root))
}

fn not_mounted(root: &RootDigest) -> impl Fn(Box<dyn Error + Send + Sync>) -> StepError {
    |source| StepError::Mount {
        root: root.short().to_owned(),
        source,
    }
}

/// Throws away a writable layer, first the mark that says whose it is: one cut short is begun anew.
fn remove_layer(places: &Places, instance: &Instance) -> Result<(), StepError> {
    let mark = places.layer_spec(instance);
    remove_file(&mark)?;
    remove_dir(&places.layer(instance))
}

/// Writes the OCI bundle of `container`, whose root is mounted, and makes its volumes. Idempotent.
pub(super) fn write_bundle(
    places: &Places,
    container: &DesiredContainer,
    addresses: &Addresses,
    secrets: &BTreeMap<Name, Secret>,
) -> Result<(), RuntimeError> {
    let (name, instance) = (&container.name, &container.instance());
    let write_all = || -> Result<(), StepError> {
        let (rootfs, bundle) = (places.rootfs(instance), places.bundle(instance));
        let given = Given::prepare(places, container, secrets)?;
        let binds = &container.config.storage.binds;
        let held = binds.iter().map(|bind| Path::new(&bind.host));
        if let Some(mark) = os_files::mark(held.chain(given.cdi.host_paths()))? {
            write(&places.os_mark(instance), mark.as_bytes(), PRIVATE_FILE)?;
        }
        if container.config.process.init {
            init_program::provide(places)?;
        }
        far_end::provide(container, places)?;
        for volume in &container.config.volumes {
            make_volume(places, &rootfs, volume, &given)?;
        }
        let host_name = process::host_name(container);
        let texts = [
            host_files::hosts(host_name, addresses, &container.config.lookup.hosts),
            host_files::hostname(host_name),
            name_servers(container, addresses)?,
        ];
        for (file, text) in HOST_FILES.iter().zip(texts) {
            write(&bundle.join(file), text.as_bytes(), OPEN_FILE)?;
        }
        local_time::provide(container, places)?;
        write(&places.input(instance), b"", OPEN_FILE)?;
        let path = places.spec(instance);
        let json =
            serde_json::to_vec(&spec::spec(container, &given, places)?).map_err(|source| {
                StepError::Format {
                    path: path.clone(),
                    source,
                }
            })?;
        write(&path, &json, PRIVATE_FILE)
    };
    write_all().map_err(RuntimeError::of(name, Step::WriteBundle))
}

/// The text of `/etc/resolv.conf`: the host's own in its network.
fn name_servers(container: &DesiredContainer, addresses: &Addresses) -> Result<String, StepError> {
    let lookup = &container.config.lookup;
    match container.network() {
        Network::Host if lookup.dns.is_empty() && lookup.dns_search.is_empty() => {
            Ok(read_text(Path::new(RESOLV_CONF))?.unwrap_or_default())
        }
        Network::Host if lookup.dns.is_empty() => {
            let of_host = read_text(Path::new(RESOLV_CONF))?.unwrap_or_default();
            let servers = of_host
                .lines()
                .filter(|line| line.starts_with("nameserver"));
            let servers: String = servers.map(|line| format!("{line}\n")).collect();
            Ok(servers + &host_files::resolv_conf(addresses, lookup))
        }
        _ => Ok(host_files::resolv_conf(addresses, lookup)),
    }
}

/// Makes a volume where there is none yet, so that the first container that uses it can write to
/// it: with owner and mode of the image's directory at the same place, if the image has one, else
/// owned by the container's user.
fn make_volume(
    places: &Places,
    rootfs: &Path,
    mount: &VolumeMount,
    given: &Given,
) -> Result<(), StepError> {
    let path = places.volume(&mount.volume);
    if path.is_dir() {
        return Ok(());
    }
    let own = (given.identity.uid, given.identity.gid, OPEN_DIR);
    let of_image = directory_inside(rootfs, &mount.path).and_then(|(uid, gid, mode)| {
        // The root is seen with the host's ids here.
        let inside = |id| given.ids.map_or(Some(id), |range| range.to_container(id));
        Some((inside(uid)?, inside(gid)?, mode))
    });
    let (uid, gid, mode) = of_image.unwrap_or(own);
    let fail = |error: rustix::io::Errno| StepError::file("create", &path)(error.into());
    // Under another name until it is whole: a volume that is there is never changed again. No
    // volume's name begins with a dot.
    let new = path.with_file_name(format!(".{}.new", mount.volume));
    make_dir(&new, PRIVATE)?;
    chown(&new, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(fail)?;
    chmod(&new, Mode::from_raw_mode(mode)).map_err(fail)?;
    std::fs::rename(&new, &path).map_err(StepError::file("create", &path))
}

/// Removes bundle, root and writable layer of `instance`. Volumes stay. Idempotent.
pub(super) fn remove(places: &Places, instance: &Instance) -> Result<(), RuntimeError> {
    let name = &instance.container;
    for mounted in [
        places.rootfs(instance),
        places.mapped_layer(instance),
        places.ipcns_file(instance),
        places.shm(instance),
        places.userns_file(instance),
    ] {
        unmount_all(&mounted).map_err(RuntimeError::of(name, Step::UnmountRoot))?;
    }
    let remove = || {
        remove_layer(places, instance)?;
        remove_dir(&places.bundle(instance))
    };
    remove().map_err(RuntimeError::of(name, Step::Remove))
}
