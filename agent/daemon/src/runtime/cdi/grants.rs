//! What a container gets for the devices that it names.

use super::super::devices::HostDevice;
use super::super::given::Given;
use super::super::places::Places;
use super::catalogue::Catalogue;
use super::error::CdiError;
use super::spec::{Edits, Hook, Mount, Node};
use orlop_config::{CdiDevice, Container};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The mode of a node that nothing is said of, and that the host has not (mknod(1)).
const NODE_MODE: u32 = 0o666;

/// Mounts and hooks; the rest is among the container's other devices, variables and groups.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Grants {
    /// By their paths in the container.
    pub(super) mounts: BTreeMap<String, Mount>,
    pub(super) hooks: Vec<Hook>,
}

impl Grants {
    /// The paths of the host that are mounted.
    pub(in super::super) fn host_paths(&self) -> impl Iterator<Item = &Path> {
        let binds = self.mounts.values().filter(|mount| is_bind(mount));
        binds.map(|mount| Path::new(&mount.host_path))
    }
}

/// Anything that is of no file system of its own.
pub(super) fn is_bind(mount: &Mount) -> bool {
    let named = |option: &String| option == "bind" || option == "rbind";
    matches!(mount.kind.as_str(), "" | "none" | "bind") || mount.options.iter().any(named)
}

impl Given {
    /// Adds what the devices of `config` bring along, by the specs that there are now.
    ///
    /// # Errors
    /// The first device that cannot be had.
    pub(in super::super) fn add_cdi(
        &mut self,
        places: &Places,
        config: &Container,
    ) -> Result<(), CdiError> {
        let wanted = &config.storage.cdi;
        if wanted.is_empty() {
            return Ok(());
        }
        let catalogue = Catalogue::read(&places.cdi);
        let mut done: BTreeSet<&Path> = BTreeSet::new();
        let mut adding = Adding {
            taken: taken(config),
            given: self,
        };
        for device in wanted {
            let (found, index) = catalogue.find(device)?;
            let of = Of {
                device,
                path: &found.path,
            };
            if done.insert(&found.path) {
                adding.edits(&of, &found.spec.container_edits)?;
            }
            adding.edits(&of, &found.spec.devices[index].container_edits)?;
        }
        Ok(())
    }
}

/// What of its own the container has where.
fn taken(config: &Container) -> BTreeMap<&str, &'static str> {
    let storage = &config.storage;
    let volumes = config.volumes.iter().map(|one| (&one.path, "a volume"));
    let binds = storage.binds.iter().map(|one| (&one.path, "a bind"));
    let tmpfs = storage.tmpfs.keys().map(|path| (path, "a tmpfs"));
    let files = storage.files.keys().map(|path| (path, "a file"));
    let secrets = storage.secrets.keys().map(|path| (path, "a secret"));
    let all = volumes
        .chain(binds)
        .chain(tmpfs)
        .chain(files)
        .chain(secrets);
    all.map(|(path, what)| (path.as_str(), what)).collect()
}

/// The device whose edits are made, and the spec that has them.
struct Of<'a> {
    device: &'a CdiDevice,
    path: &'a Path,
}

impl Of<'_> {
    fn refused(&self, what: impl Into<String>, why: impl Into<String>) -> CdiError {
        CdiError::Refused {
            device: self.device.clone(),
            what: what.into(),
            path: self.path.to_owned(),
            why: why.into(),
        }
    }
}

struct Adding<'g, 'c> {
    given: &'g mut Given,
    taken: BTreeMap<&'c str, &'static str>,
}

impl Adding<'_, '_> {
    fn edits(&mut self, of: &Of<'_>, edits: &Edits) -> Result<(), CdiError> {
        if edits.intel_rdt.is_some() {
            return Err(of.refused("intelRdt", "containers have no such limits here"));
        }
        if !edits.net_devices.is_empty() {
            let why = "containers are not given interfaces of the host here";
            return Err(of.refused("netDevices", why));
        }
        for line in &edits.env {
            if let Some((name, value)) = line.split_once('=') {
                self.given.env.insert(name.to_owned(), value.to_owned());
            }
        }
        for node in &edits.device_nodes {
            let device = self.node(of, node)?;
            self.given.devices.retain(|one| one.path != device.path);
            self.given.devices.push(device);
        }
        for mount in &edits.mounts {
            self.mount(of, mount)?;
        }
        for hook in &edits.hooks {
            // Of the container's own files, if it is run in it.
            if hook.hook_name != "startContainer" && !Path::new(&hook.path).is_file() {
                let what = format!("the {} hook", hook.hook_name);
                return Err(of.refused(what, format!("{} is not there", hook.path)));
            }
            if !self.given.cdi.hooks.contains(hook) {
                self.given.cdi.hooks.push(hook.clone());
            }
        }
        let groups = &mut self.given.identity.groups;
        for gid in edits.additional_gids.iter().filter(|gid| **gid != 0) {
            if !groups.contains(gid) {
                groups.push(*gid);
            }
        }
        Ok(())
    }

    /// As the reference implementation fills in what a spec leaves out (pkg/cdi, `fillMissingInfo`).
    fn node(&self, of: &Of<'_>, node: &Node) -> Result<HostDevice, CdiError> {
        let what = format!("the device node {}", node.path);
        if node.kind == "p" {
            return Err(of.refused(what, "pipes are not made here"));
        }
        let host = match node.host_path.as_str() {
            "" => &node.path,
            path => path,
        };
        let identity = &self.given.identity;
        let of_user = |id: u32| (id > 0).then_some(id);
        let whole = !node.kind.is_empty() && node.major != 0;
        let found = match std::fs::symlink_metadata(host) {
            Ok(metadata) => HostDevice::of(&metadata, PathBuf::from(&node.path), node.access()),
            Err(error) if !whole => return Err(of.refused(what, format!("{host}: {error}"))),
            Err(_) => None,
        };
        let is_block = node.kind == "b";
        let mut device = match found {
            Some(found) if !node.kind.is_empty() && found.is_block != is_block && !whole => {
                return Err(of.refused(what, format!("{host} is of another type")));
            }
            Some(found) => found,
            None if whole => HostDevice {
                path: PathBuf::from(&node.path),
                is_block,
                major: 0,
                minor: 0,
                mode: NODE_MODE,
                uid: 0,
                gid: 0,
                access: node.access().to_owned(),
            },
            None => return Err(of.refused(what, format!("{host} is not a device"))),
        };
        if whole {
            (device.is_block, device.major, device.minor) = (is_block, node.major, node.minor);
        }
        device.mode = node.file_mode.unwrap_or(device.mode) & 0o777;
        device.uid = node.uid.or(of_user(identity.uid)).unwrap_or(0);
        device.gid = node.gid.or(of_user(identity.gid)).unwrap_or(0);
        Ok(device)
    }

    fn mount(&mut self, of: &Of<'_>, mount: &Mount) -> Result<(), CdiError> {
        let (path, host) = (&mount.container_path, &mount.host_path);
        let what = || format!("the mount {path}");
        if let Some(other) = self.taken.get(path.as_str()) {
            let why = format!("{other} of the container is mounted there");
            return Err(of.refused(what(), why));
        }
        if is_bind(mount)
            && let Err(error) = std::fs::metadata(host)
        {
            return Err(of.refused(what(), format!("{host}: {error}")));
        }
        self.given.cdi.mounts.insert(path.clone(), mount.clone());
        Ok(())
    }
}
