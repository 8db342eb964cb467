//! What the host and the image add to a container's spec: found, and written into its bundle, while it
//! is set up. All blocking.

use super::capabilities::Possible;
use super::cdi::Grants;
use super::desired::DesiredContainer;
use super::devices::{self, HostDevice};
use super::error::StepError;
use super::identity::{Accounts, Identity};
use super::observe::read_text;
use super::places::Places;
use super::{host_path, ids, secrets};
use crate::id_range::IdRange;
use orlop_config::{HostRight, Name, Secret};
use orlop_initrd::atomic_write::atomic_write;
use rustix::fs::{Gid, Mode, Uid, chmod, chown};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Directories of files for root only: they may hold secrets.
const PRIVATE_DIR: u32 = 0o700;
/// Until owner and mode are set.
const PRIVATE_FILE: u32 = 0o600;
/// A secret is its owner's alone.
const SECRET_MODE: u32 = 0o400;

/// What the agent itself may do (proc_pid_status(5)).
const STATUS: &str = "/proc/self/status";
/// Where the journal is, on disk and in memory, and whose it is.
const JOURNAL: [&str; 3] = ["/var/log/journal", "/run/log/journal", "/etc/machine-id"];

/// Everything that the spec needs and the config does not hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// Who the program runs as.
    pub(super) identity: Identity,
    /// Environment from files and secrets.
    pub(super) env: BTreeMap<String, String>,
    /// Files to mount read-only: where the host has each, and its path in the container.
    pub(super) files: Vec<(PathBuf, String)>,
    /// The capabilities that there are to be had.
    pub(super) possible: Possible,
    /// The host's ids that its own are, where it has a user namespace of its own.
    pub(super) ids: Option<IdRange>,
    /// Where the journal is.
    pub(super) journal: Vec<&'static str>,
    /// Devices of the host.
    pub(super) devices: Vec<HostDevice>,
    /// What comes with devices that have a vendor's name.
    pub(super) cdi: Grants,
}

impl Given {
    /// Finds all of it for `container`, whose root is mounted, and writes its files. Idempotent.
    ///
    /// # Errors
    /// The first thing that is not there: a user, a secret, a device, a path of the host.
    pub(super) fn prepare(
        places: &Places,
        container: &DesiredContainer,
        known: &BTreeMap<Name, Secret>,
    ) -> Result<Self, StepError> {
        let config = &container.config;
        let accounts = Accounts::read(&places.rootfs(&container.instance()))?;
        let user = config.process.user.as_ref();
        let mut identity = accounts.resolve(user.unwrap_or(&container.image.run.user))?;
        identity.add_groups(&accounts, &config.process.groups)?;
        let mut given = Self {
            identity,
            devices: find_devices(container)?,
            journal: find_journal(container),
            ids: ids::of(places, &container.instance())?,
            possible: Possible::of(&read_text(Path::new(STATUS))?.unwrap_or_default()),
            ..Self::default()
        };
        given.check_ids(&given.identity)?;
        for file in &config.process.env_files {
            given.env.extend(host_path::env_file(file)?);
        }
        for disk in config.resources.io.keys() {
            devices::check_disk(disk)?;
        }
        for bind in &config.storage.binds {
            host_path::check(bind, config.security.privileged)?;
        }
        given.add_cdi(places, config)?;
        given.write_files(places, container, &accounts)?;
        given.write_secrets(places, container, known)?;
        Ok(given)
    }

    /// Whether the container has all of these ids.
    fn check_ids(&self, of: &Identity) -> Result<(), StepError> {
        let Some(range) = self.ids else {
            return Ok(());
        };
        let mut all = [of.uid, of.gid]
            .into_iter()
            .chain(of.groups.iter().copied());
        match all.find(|id| range.to_host(*id).is_none()) {
            Some(id) => Err(StepError::BeyondIds(id)),
            None => Ok(()),
        }
    }

    fn write_files(
        &mut self,
        places: &Places,
        container: &DesiredContainer,
        accounts: &Accounts,
    ) -> Result<(), StepError> {
        let dir = places.files(&container.instance());
        for (index, (path, file)) in container.config.storage.files.iter().enumerate() {
            let owner = match &file.owner {
                Some(owner) => accounts.resolve(owner)?,
                None => self.identity.clone(),
            };
            self.check_ids(&owner)?;
            let at = place(&dir, index)?;
            write(&at, file.content.as_bytes(), file.mode, &owner)?;
            self.files.push((at, path.clone()));
        }
        Ok(())
    }

    fn write_secrets(
        &mut self,
        places: &Places,
        container: &DesiredContainer,
        known: &BTreeMap<Name, Secret>,
    ) -> Result<(), StepError> {
        let dir = places.secrets(&container.instance());
        for (index, (target, name)) in container.config.storage.secrets.iter().enumerate() {
            let secret = known.get(name);
            let secret = secret.ok_or_else(|| StepError::UnknownSecret(name.clone()))?;
            if target.starts_with('/') {
                let at = place(&dir, index)?;
                let bytes = secrets::read(places, name, secret)?;
                write(&at, &bytes, SECRET_MODE, &self.identity)?;
                self.files.push((at, target.clone()));
            } else {
                let text = secrets::read_text(places, name, secret)?;
                self.env.insert(target.clone(), text);
            }
        }
        Ok(())
    }
}

fn find_devices(container: &DesiredContainer) -> Result<Vec<HostDevice>, StepError> {
    if container.config.security.host.contains(&HostRight::Devices) {
        return devices::all();
    }
    let named = container.config.storage.devices.iter();
    named.map(devices::find).collect()
}

fn find_journal(container: &DesiredContainer) -> Vec<&'static str> {
    if !container.config.security.host.contains(&HostRight::Journal) {
        return Vec::new();
    }
    let there = |path: &&str| Path::new(path).exists();
    JOURNAL.into_iter().filter(there).collect()
}

/// The `index`th file of `dir`, which is made.
fn place(dir: &Path, index: usize) -> Result<PathBuf, StepError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(dir);
    made.map_err(StepError::file("create", dir))?;
    Ok(dir.join(index.to_string()))
}

fn write(path: &Path, bytes: &[u8], mode: u32, owner: &Identity) -> Result<(), StepError> {
    atomic_write(path, bytes, PRIVATE_FILE).map_err(StepError::file("write", path))?;
    let fail = |error: rustix::io::Errno| StepError::file("set the owner of", path)(error.into());
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    chown(path, Some(uid), Some(gid)).map_err(fail)?;
    chmod(path, Mode::from_raw_mode(mode)).map_err(fail)
}
