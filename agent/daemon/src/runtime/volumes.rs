//! Named volumes: what there is, who uses it, their content out and in, their end.
//!
//! A volume's folder is there whole or not at all: what is being brought in, or is on its way out, has a name
//! that no volume can have, and is removed when somebody looks for such leftovers.

use super::absent::remove_dir;
use super::containers::{Runtime, blocking};
use super::error::StepError;
use super::places::Places;
use super::volume_limits;
use crate::archive::{
    ArchiveError, ByteReader, ByteStream, Measure, Owner, Unpack, measure, open_dir, outgoing, pack,
};
use orlop_api::{ContainerState, Fault, FaultKind};
use orlop_config::{ByteSize, Name, Volume};
use rustix::fs::{CWD, Mode, RenameFlags, chmod, chown, renameat_with, syncfs};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// For root only: what containers see of it is the volume's own folder below.
const PRIVATE: u32 = 0o700;
const OPEN: u32 = 0o755;
/// How the names of what is no volume end; they begin with a dot.
const COMING: &str = ".import";
const GOING: &str = ".gone";

/// Something with a volume failed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// There is none of this name.
    #[error("cannot find volume {0}")]
    Unknown(String),
    /// The config has containers that use it.
    #[error("cannot remove volume {volume}: {} it", uses(containers))]
    Configured {
        /// Which.
        volume: Name,
        /// Who uses it.
        containers: Vec<Name>,
    },
    /// Containers that use it are at work.
    #[error(
        "cannot import volume {volume}: {} it and {} not stopped",
        uses(containers),
        is(containers)
    )]
    AtWork {
        /// Which.
        volume: Name,
        /// Who uses it.
        containers: Vec<Name>,
    },
    /// There is something in it.
    #[error("cannot import volume {0}: it is not empty")]
    NotEmpty(Name),
    /// What comes in is more than it may hold.
    #[error("cannot import volume {volume}: it would hold {holds}, and may hold {limit}")]
    TooLarge {
        /// Which.
        volume: Name,
        /// As much as comes in.
        holds: ByteSize,
        /// Its limit.
        limit: ByteSize,
    },
    /// Their folder.
    #[error("cannot list the volumes")]
    List(#[source] StepError),
    /// Its files.
    #[error("cannot {verb} volume {volume}")]
    Files {
        /// `remove`, …
        verb: &'static str,
        /// Which.
        volume: String,
        /// Why.
        source: StepError,
    },
    /// Its content.
    #[error("cannot {verb} volume {volume}")]
    Content {
        /// `import`, `export`.
        verb: &'static str,
        /// Which.
        volume: Name,
        /// Why.
        source: ArchiveFailure,
    },
}

/// Why content did not come in or out.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ArchiveFailure(ArchiveError);

fn uses(containers: &[Name]) -> String {
    let names: Vec<&str> = containers.iter().map(Name::as_str).collect();
    match names.as_slice() {
        [one] => format!("container {one} uses"),
        many => format!("containers {} use", many.join(", ")),
    }
}

fn is(containers: &[Name]) -> &'static str {
    if containers.len() == 1 { "is" } else { "are" }
}

impl From<VolumeError> for Fault {
    fn from(error: VolumeError) -> Self {
        let message = crate::chain::chain(&error);
        let (kind, hint) = match &error {
            VolumeError::Unknown(_) => (
                FaultKind::NotFound,
                "`orlop volume ls` lists them".to_owned(),
            ),
            VolumeError::Configured { containers, .. } => (
                FaultKind::Refused,
                format!(
                    "take it out of [container.{}] with `orlop config apply`, and remove it then",
                    containers.first().map_or("NAME", Name::as_str)
                ),
            ),
            VolumeError::AtWork { containers, .. } => (
                FaultKind::Refused,
                format!(
                    "`orlop container stop {}` first, and start it again then",
                    containers.first().map_or("NAME", Name::as_str)
                ),
            ),
            VolumeError::NotEmpty(_) => (
                FaultKind::Refused,
                "--replace throws away what is in it".to_owned(),
            ),
            VolumeError::TooLarge { volume, .. } => (
                FaultKind::Refused,
                format!("give [volume.{volume}] a larger `size` with `orlop config apply` first"),
            ),
            VolumeError::List(source) | VolumeError::Files { source, .. } => {
                return Self::new(source.kind(), message);
            }
            VolumeError::Content { source, .. } => {
                return Self::new(source.0.fault().kind, message);
            }
        };
        Self::new(kind, message).hint(hint)
    }
}

/// Whether its container may begin to use a volume at any moment.
fn is_at_work(state: ContainerState) -> bool {
    !matches!(
        state,
        ContainerState::Stopped
            | ContainerState::Exited
            | ContainerState::Completed
            | ContainerState::Failed
            | ContainerState::Disabled
    )
}

impl Runtime {
    /// The volumes that the config in force declares.
    pub fn declared_volumes(&self) -> BTreeMap<Name, Volume> {
        self.last_desired().volumes
    }

    /// The volumes that are on disk.
    ///
    /// # Errors
    /// `Files`.
    pub async fn made_volumes(&self) -> Result<BTreeSet<Name>, VolumeError> {
        let places = self.inner.executor.places.clone();
        let found =
            blocking(move || Ok(entries(&places.volumes())?.filter_map(volume_of).collect()));
        found.await.map_err(VolumeError::List)
    }

    /// Containers of the config in force that use a volume.
    pub fn users_of_volume(&self, volume: &Name) -> Vec<Name> {
        let uses = |one: &super::DesiredContainer| {
            one.config
                .volumes
                .iter()
                .any(|mount| mount.volume == *volume)
        };
        let containers = self.last_desired().containers;
        let users = containers.into_iter().filter(uses);
        users.map(|one| one.name).collect()
    }

    /// Where a volume is, and how much it holds.
    ///
    /// # Errors
    /// `Unknown` where there is nothing of it on disk; `Content`.
    pub async fn measure_volume(&self, name: &str) -> Result<(PathBuf, Measured), VolumeError> {
        let (name, path) = self.made(name).await?;
        let owned = path.clone();
        let look = spawn("look into", &name, move || measure(&open_dir(&owned)?));
        let Measure { bytes, entries } = look.await?;
        Ok((path, Measured { bytes, entries }))
    }

    /// The content of a volume as a tar archive, as it is found.
    ///
    /// # Errors
    /// `Unknown`; `Content` where it cannot be opened.
    pub async fn export_volume(&self, name: &str) -> Result<ByteStream, VolumeError> {
        let (name, path) = self.made(name).await?;
        let root = spawn("export", &name, move || open_dir(&path)).await?;
        Ok(outgoing(move |out| {
            pack(&root, None, Path::new(""), Path::new(""), out).map_err(io::Error::other)
        }))
    }

    /// Makes the content of a tar archive that of a volume, all at once: until the whole archive is on disk
    /// the volume stays as it was. Returns after sync. A volume that is not empty is replaced only where
    /// `replace` says so.
    ///
    /// # Errors
    /// `AtWork`, `NotEmpty`, `Files`, `Content`: the volume is as it was.
    pub async fn import_volume(
        &self,
        name: Name,
        replace: bool,
        content: ByteStream,
    ) -> Result<(), VolumeError> {
        let _one = self.inner.volumes.lock().await;
        self.may_import(&name, replace).await?;
        let (places, owned) = (self.inner.executor.places.clone(), name.clone());
        let size = self.declared_volumes().get(&name).and_then(|one| one.size);
        let mut reader = ByteReader::new(content);
        let new = spawn("import", &name, move || {
            let new = begin(&places, &owned, size)?;
            let root = open_dir(&new)?;
            let unpack = Unpack {
                root: &root,
                owner: Owner::AsPacked,
                ids: None,
                top: None,
            };
            let done = unpack.run(&mut reader).and_then(|()| {
                let synced = syncfs(&root).map_err(io::Error::from);
                synced.map_err(in_archive("sync", &new))
            });
            done.inspect_err(|_| discard(&new)).map(|()| new)
        });
        let new = new.await?;
        keeps_within(&name, &new, size).await?;
        // No container is started meanwhile.
        let _turn = self.inner.turn.lock().await;
        if let Err(error) = self.may_import(&name, replace).await {
            discard(&new);
            return Err(error);
        }
        let places = self.inner.executor.places.clone();
        let files = files("import", &name);
        blocking(move || publish(&new, &places.volume(&name)))
            .await
            .map_err(files)
    }

    async fn may_import(&self, name: &Name, replace: bool) -> Result<(), VolumeError> {
        let users = self.users_of_volume(name);
        let views = self.inner.live.views();
        let at_work = |user: &Name| {
            let view = views.iter().find(|view| view.name == user.as_str());
            view.is_some_and(|view| is_at_work(view.state))
        };
        let containers: Vec<Name> = users.into_iter().filter(at_work).collect();
        if !containers.is_empty() {
            let volume = name.clone();
            return Err(VolumeError::AtWork { volume, containers });
        }
        let path = self.inner.executor.places.volume(name);
        let holds = blocking(move || Ok(entries(&path)?.next().is_some()));
        if !replace && holds.await.map_err(files("import", name))? {
            return Err(VolumeError::NotEmpty(name.clone()));
        }
        Ok(())
    }

    /// Removes a volume and its content. Returns when its name is gone for good; a crash on the way leaves
    /// either the whole volume or leftovers that [`Runtime::tidy_volumes`] removes.
    ///
    /// # Errors
    /// `Unknown`, `Configured`, `Files`.
    pub async fn remove_volume(&self, name: &str) -> Result<(), VolumeError> {
        let _one = self.inner.volumes.lock().await;
        let _turn = self.inner.turn.lock().await;
        let (volume, path) = self.made(name).await?;
        let containers = self.users_of_volume(&volume);
        if !containers.is_empty() {
            return Err(VolumeError::Configured { volume, containers });
        }
        let gone = beside(&path, &volume, GOING);
        let files = files("remove", &volume);
        let remove = move || {
            remove_dir(&gone)?;
            fs::rename(&path, &gone).map_err(StepError::file("rename", &path))?;
            sync_parent(&path)?;
            remove_dir(&gone)
        };
        blocking(remove).await.map_err(files)
    }

    /// Removes what an agent that was killed left of imports and removals.
    pub async fn tidy_volumes(&self) {
        let _one = self.inner.volumes.lock().await;
        let places = self.inner.executor.places.clone();
        let tidy = blocking(move || {
            for name in entries(&places.volumes())? {
                let is_leftover =
                    name.starts_with('.') && (name.ends_with(COMING) || name.ends_with(GOING));
                if is_leftover {
                    log::info!("removing {name}, left of a volume");
                    remove_dir(&places.volumes().join(name))?;
                }
            }
            Ok(())
        });
        if let Err(error) = tidy.await {
            log::warn!(
                "ignoring leftovers of volumes: {}",
                crate::chain::chain(&error)
            );
        }
    }

    /// A volume that is on disk.
    async fn made(&self, name: &str) -> Result<(Name, PathBuf), VolumeError> {
        let unknown = || VolumeError::Unknown(name.to_owned());
        let volume = Name::new(name).ok_or_else(unknown)?;
        let path = self.inner.executor.places.volume(&volume);
        match tokio::fs::metadata(&path).await {
            Ok(metadata) if metadata.is_dir() => Ok((volume, path)),
            _ => Err(unknown()),
        }
    }
}

/// What a volume holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Bytes on disk.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

fn files(verb: &'static str, name: &Name) -> impl FnOnce(StepError) -> VolumeError + use<> {
    let volume = name.to_string();
    move |source| VolumeError::Files {
        verb,
        volume,
        source,
    }
}

/// Runs work on content in a thread of its own.
async fn spawn<T: Send + 'static>(
    verb: &'static str,
    name: &Name,
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, VolumeError> {
    let done = blocking(move || Ok(work()))
        .await
        .map_err(files(verb, name))?;
    done.map_err(|error| VolumeError::Content {
        verb,
        volume: name.clone(),
        source: ArchiveFailure(error),
    })
}

fn in_archive(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError + use<> {
    let path = path.to_owned();
    move |source| ArchiveError::File { verb, path, source }
}

/// The names in a folder, which need not be there.
fn entries(dir: &Path) -> Result<impl Iterator<Item = String> + use<>, StepError> {
    let list = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        list => Some(list.map_err(StepError::file("list", dir))?),
    };
    let names = list.into_iter().flatten().filter_map(Result::ok);
    Ok(names.filter_map(|entry| entry.file_name().into_string().ok()))
}

fn volume_of(name: String) -> Option<Name> {
    Name::new(&name)
}

fn beside(path: &Path, name: &Name, ending: &str) -> PathBuf {
    path.with_file_name(format!(".{name}{ending}"))
}

fn discard(path: &Path) {
    if let Err(error) = remove_dir(path) {
        log::warn!(
            "ignoring until the agent is restarted: {}",
            crate::chain::chain(&error)
        );
    }
}

/// Makes the folder that content comes into, with the look of the volume that it replaces.
fn begin(places: &Places, name: &Name, size: Option<ByteSize>) -> Result<PathBuf, ArchiveError> {
    let path = places.volume(name);
    let new = beside(&path, name, COMING);
    discard(&new);
    let make = || -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE)
            .create(&new)?;
        let (uid, gid, mode) = match fs::metadata(&path) {
            Ok(old) => (old.uid(), old.gid(), old.mode()),
            Err(_) => (0, 0, OPEN),
        };
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(uid),
            rustix::fs::Gid::from_raw(gid),
        );
        chown(&new, Some(uid), Some(gid))?;
        chmod(&new, Mode::from_raw_mode(mode))?;
        volume_limits::limit(places, &new, size.map(|size| size.0))
    };
    make().map_err(in_archive("create", &new))?;
    Ok(new)
}

/// Discards what has come in where it is more than the volume may hold: the kernel does not hold the agent
/// to limits.
async fn keeps_within(name: &Name, new: &Path, size: Option<ByteSize>) -> Result<(), VolumeError> {
    let Some(limit) = size else {
        return Ok(());
    };
    let path = new.to_owned();
    let look = move || volume_limits::quota_of(&path).map_err(StepError::file("look into", &path));
    let holds = blocking(look).await.map_err(files("import", name));
    let holds = holds.inspect_err(|_| discard(new))?;
    match holds.map(|quota| ByteSize(quota.used)) {
        Some(holds) if holds > limit => {
            discard(new);
            let volume = name.clone();
            Err(VolumeError::TooLarge {
                volume,
                holds,
                limit,
            })
        }
        _ => Ok(()),
    }
}

/// Lets the new folder be the volume, and removes what was it before.
fn publish(new: &Path, path: &Path) -> Result<(), StepError> {
    let fail = |error: rustix::io::Errno| StepError::file("rename", new)(error.into());
    match renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE) {
        Err(rustix::io::Errno::NOENT) => {
            renameat_with(CWD, new, CWD, path, RenameFlags::NOREPLACE).map_err(fail)?;
        }
        exchanged => exchanged.map_err(fail)?,
    }
    sync_parent(path)?;
    remove_dir(new)
}

fn sync_parent(path: &Path) -> Result<(), StepError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(StepError::file("sync", dir))
}
