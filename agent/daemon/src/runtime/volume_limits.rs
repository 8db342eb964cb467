//! How much named volumes may hold (`[volume.NAME] size`). All blocking.
//!
//! Each limited volume is a project of the file system. Which one is kept by the folder itself, so that there
//! is no record that could be out of step.

use super::change::{Outcome, Outcomes};
use super::containers::{Runtime, blocking};
use super::desired::{Desired, DesiredContainer};
use super::error::{RuntimeError, Step, StepError};
use super::execute::{Executor, fail};
use super::places::Places;
use super::rising::Rising;
use super::volumes::VolumeError;
use crate::archive::{ArchiveError, Visit, each_below};
use crate::project_quota::{Quota, project_of, quota, rounded, set_limit, set_project};
use orlop_config::{Name, Volume};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::fs::{
    chownat, fgetxattr, fsetxattr, openat, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The first project of a volume. Administrators' own begin at 1.
const FIRST_PROJECT: u32 = 0x4f00_0000;
/// On a volume's folder: the project that everything in it belongs to, in decimal digits.
const WHOLE: &str = "trusted.orlop.project";
/// Decimal digits of the largest project.
const DIGITS: usize = 10;

/// Projects are given out one after the other.
static GIVING: Mutex<()> = Mutex::new(());

/// Limits every volume of `declared` that is there as it says, and lifts the limits of those that say none.
/// Idempotent. Those that cannot be limited, with the reason.
fn settle(places: &Places, declared: &BTreeMap<Name, Volume>) -> BTreeMap<Name, String> {
    let mut failed = BTreeMap::new();
    for (name, volume) in declared {
        let path = places.volume(name);
        let size = volume.size.map(|size| size.0);
        match limit(places, &path, size) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => drop(failed.insert(name.clone(), error.to_string())),
        }
    }
    failed
}

/// Limits what is in the folder at `path` to so many bytes. Where it holds more already, nothing can be
/// added until it holds less.
///
/// # Errors
/// Whatever the file system says; `NotFound` where there is no such folder.
pub(super) fn limit(places: &Places, path: &Path, size: Option<u64>) -> io::Result<()> {
    let dir = folder(path)?;
    let project = match (project_of(&dir)?, size) {
        (0, None) => return Ok(()),
        (0, Some(size)) => give(places, &dir, size)?,
        (project, _) => project,
    };
    let now = match quota(&dir, project) {
        // Nothing holds it to a limit of before.
        Err(error) if size.is_none() && error.kind() == io::ErrorKind::Unsupported => {
            return Ok(());
        }
        now => now?,
    };
    let wanted = size.map(rounded);
    if now.limit != wanted {
        set_limit(&dir, project, size)?;
        if wanted.is_some_and(|wanted| wanted < now.used) {
            log::warn!(
                "{} holds {} bytes and may hold {}: nothing can be written to it until it holds less",
                path.display(),
                now.used,
                wanted.unwrap_or_default()
            );
        }
    }
    if size.is_some() && !is_whole(&dir, project) {
        take_in(&dir, project)?;
        let digits = project.to_string();
        fsetxattr(&dir, WHOLE, digits.as_bytes(), XattrFlags::empty())?;
    }
    Ok(())
}

impl Executor {
    /// Limits the volumes, those of containers that run too. Who would start with one that cannot be limited
    /// does not.
    pub(super) async fn limit_volumes(
        &self,
        desired: &Desired,
        ready: &mut Vec<&Rising<'_>>,
        outcomes: &mut Outcomes,
    ) {
        let (places, declared) = (self.places.clone(), desired.volumes.clone());
        let limiting = tokio::task::spawn_blocking(move || settle(&places, &declared)).await;
        let failed = limiting.unwrap_or_else(|error| {
            let all = desired.volumes.keys();
            all.map(|name| (name.clone(), error.to_string())).collect()
        });
        for (volume, why) in failed {
            log::error!("cannot limit volume {volume}: {why}");
            let uses = |one: &&DesiredContainer| {
                one.config
                    .volumes
                    .iter()
                    .any(|mount| mount.volume == volume)
            };
            for user in desired.containers.iter().filter(uses) {
                let name = &user.name;
                let is_rising = ready.iter().any(|one| one.container.name == *name)
                    || matches!(outcomes.get(name), Some(Outcome::Waiting));
                if is_rising {
                    ready.retain(|one| one.container.name != *name);
                    let source = StepError::Unlimited {
                        volume: volume.clone(),
                        why: why.clone(),
                    };
                    let error = RuntimeError::of(name, Step::WriteBundle)(source);
                    fail(outcomes, name, error);
                }
            }
        }
    }
}

impl Runtime {
    /// How those of `volumes` stand that are limited.
    ///
    /// # Errors
    /// `List`.
    pub(crate) async fn quotas_of_volumes(
        &self,
        volumes: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, Quota>, VolumeError> {
        let (places, volumes) = (self.inner.executor.places.clone(), volumes.clone());
        let look = move || {
            let mut quotas = BTreeMap::new();
            for name in volumes {
                let path = places.volume(&name);
                match quota_of(&path) {
                    Ok(quota) => quotas.extend(quota.map(|quota| (name, quota))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(StepError::file("look into", &path)(error)),
                }
            }
            Ok(quotas)
        };
        blocking(look).await.map_err(VolumeError::List)
    }
}

/// How a limited volume stands; none where it is not limited.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn quota_of(path: &Path) -> io::Result<Option<Quota>> {
    let dir = folder(path)?;
    match project_of(&dir)? {
        0 => Ok(None),
        project => quota(&dir, project).map(Some),
    }
}

fn folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty()).map(File::from)?)
}

/// Gives `dir` a project that no other volume has. Its limit comes before anything belongs to it.
fn give(places: &Places, dir: &File, size: u64) -> io::Result<u32> {
    // It guards no data, so a panic spoils nothing.
    let _alone = GIVING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = BTreeSet::new();
    for entry in std::fs::read_dir(places.volumes())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            taken.insert(project_of(&folder(&entry.path())?)?);
        }
    }
    let mut all = FIRST_PROJECT..;
    let free = all.find(|project| !taken.contains(project));
    let project = free.ok_or_else(|| io::Error::other("all projects are taken"))?;
    set_limit(dir, project, Some(size))?;
    set_project(dir, project, true)?;
    Ok(project)
}

fn is_whole(dir: &File, project: u32) -> bool {
    let mut digits = [0; DIGITS];
    let read = fgetxattr(dir, WHOLE, &mut digits[..]);
    read.is_ok_and(|length| digits[..length] == *project.to_string().as_bytes())
}

/// Lets everything below `dir`, which belongs to `project`, belong to it, while others go on writing there:
/// a folder comes before what is in it, so that what is new in it belongs to the project already.
fn take_in(dir: &File, project: u32) -> io::Result<()> {
    let root = OwnedFd::from(dir.try_clone()?);
    let taken = each_below(&root, &mut |parent, name| take_one(parent, name, project));
    taken.map_err(|error| match error {
        ArchiveError::File { source, .. } => source,
        other => io::Error::other(other),
    })
}

/// What has gone meanwhile needs nothing. Devices, pipes and sockets take no room, and cannot be told.
fn take_one(parent: &OwnedFd, name: &OsStr, project: u32) -> io::Result<Visit> {
    let taken = || -> io::Result<Visit> {
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory | FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = openat(parent, name, flags, Mode::empty())?;
                set_project(&file, project, kind == FileType::Directory)?;
            }
            FileType::Symlink => make_link_again(parent, name)?,
            _ => {}
        }
        Ok(match kind {
            FileType::Directory => Visit::Enter,
            _ => Visit::Pass,
        })
    };
    match taken() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Visit::Pass),
        taken => taken,
    }
}

/// No call tells a link its project, and a link of another one cannot be renamed in a folder of this one; a
/// new link belongs to its folder's.
fn make_link_again(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    let mut new = OsString::from(".orlop-link.");
    new.push(name);
    let target = readlinkat(parent, name, Vec::new())?;
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    let parent = parent.as_fd();
    // Left of a try that was cut short.
    match unlinkat(parent, &new, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    symlinkat(&target, parent, &new)?;
    chownat(
        parent,
        &new,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    renameat(parent, &new, parent, name)
}

/// Whether the file system of `dir` can limit projects: it is mounted so.
///
/// # Errors
/// Where the table of mounts cannot be read.
pub(crate) fn can_limit(dir: &Path) -> io::Result<bool> {
    let flags = rustix::fs::StatxFlags::MNT_ID;
    let id = rustix::fs::statx(CWD, dir, AtFlags::empty(), flags)?.stx_mnt_id;
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(is_limited(&String::from_utf8_lossy(&table), id))
}

/// Looks for `prjquota` in the file system's own options of the mount `id` (proc_pid_mountinfo(5)).
fn is_limited(table: &str, id: u64) -> bool {
    let id = id.to_string();
    let mount = table
        .lines()
        .find(|line| line.split(' ').next() == Some(&id));
    let own = mount.and_then(|line| line.split_once(" - ")?.1.split(' ').nth(2));
    own.is_some_and(|options| options.split(',').any(|one| one == "prjquota"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_limited_where_it_is_mounted_so() {
        let table = "22 1 254:2 / /state rw,noatime shared:1 - ext4 /dev/vda2 rw,prjquota,errors=remount-ro\n\
                     23 1 254:2 / /prjquota rw - ext4 /dev/prjquota rw\n";
        assert!(is_limited(table, 22));
        assert!(!is_limited(table, 23));
        assert!(!is_limited(table, 2));
        assert!(!can_limit(Path::new("/proc")).unwrap());
    }

    #[test]
    fn a_volume_that_cannot_be_limited_is_named_and_one_without_a_size_is_left_alone() {
        let root = tempfile::tempdir_in("/dev/shm").unwrap();
        let places = Places::under(root.path());
        let name = |text| Name::new(text).unwrap();
        let size = Some(orlop_config::ByteSize(1 << 20));
        let declared = BTreeMap::from([
            (name("free"), Volume { size: None }),
            (name("small"), Volume { size }),
            (name("unmade"), Volume { size }),
        ]);
        for made in ["free", "small"] {
            std::fs::create_dir_all(places.volume(&name(made))).unwrap();
        }
        let failed = settle(&places, &declared);
        assert_eq!(failed.keys().collect::<Vec<_>>(), [&name("small")]);
        assert_eq!(quota_of(&places.volume(&name("free"))).unwrap(), None);
    }

    #[test]
    fn a_link_that_is_made_again_leads_to_the_same_place_and_belongs_to_the_same_owner() {
        let root = tempfile::tempdir().unwrap();
        let dir = OwnedFd::from(File::open(root.path()).unwrap());
        symlinkat("over/there", &dir, "link").unwrap();
        symlinkat("left", &dir, ".orlop-link.link").unwrap();
        let owner = (Some(Uid::from_raw(7)), Some(Gid::from_raw(8)));
        chownat(&dir, "link", owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let inode = || statat(&dir, "link", AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let before = inode();
        make_link_again(&dir, OsStr::new("link")).unwrap();
        let after = inode();
        assert_ne!(after.st_ino, before.st_ino);
        assert_eq!((after.st_uid, after.st_gid), (7, 8));
        let names: Vec<_> = std::fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
        let target = std::fs::read_link(root.path().join("link")).unwrap();
        assert_eq!(target, Path::new("over/there"));
    }
}
