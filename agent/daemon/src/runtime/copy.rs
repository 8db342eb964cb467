//! Files out of a container that runs, and into it, as the container itself sees them.

use super::containers::{Runtime, blocking};
use super::error::{RuntimeError, Step, StepError};
use super::inside;
use super::instance::Instance;
use super::places::unit_name;
use crate::archive::{ArchiveError, ByteReader, ByteStream, Owner, Unpack, outgoing, pack, parted};
use crate::id_range::IdRange;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use orlop_api::{CopyInQuery, Fault, FaultKind};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat, openat2};
use rustix::thread::{capabilities, set_capabilities};
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Links lead to what they lead to in the container, and never out of it.
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::CLOEXEC);

impl Runtime {
    /// What is at `path` in a container, as a tar archive with its last name on top. A link is packed as
    /// such; links on the way to it are followed as the container would.
    ///
    /// # Errors
    /// `Unknown`, `NotNow`; `NotFound` where there is no such path; `Refused` for one that is not absolute.
    pub async fn copy_out(&self, name: &str, path: &str) -> Result<ByteStream, Fault> {
        let path = absolute(path)?;
        let (root, ids) = self.root_of(name, "copy from").await?;
        let found = in_archive(move || {
            let (parent, last) = place(&root, &path)?;
            let last = PathBuf::from(last);
            // So that what is missing is told before the archive begins.
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let at = if last.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &last
            };
            openat(&parent, at, flags, Mode::empty()).map_err(failed("open", &path))?;
            Ok((parent, last))
        });
        let (parent, last) = found.await?;
        Ok(outgoing(move |out| {
            pack(&parent, ids, &last, &last, out).map_err(io::Error::other)
        }))
    }

    /// Unpacks an archive in a container. Not synced; what came before an error is there.
    ///
    /// # Errors
    /// `Unknown`, `NotNow`; the fault of the first entry that cannot be made.
    pub async fn copy_in(
        &self,
        name: &str,
        query: CopyInQuery,
        content: ByteStream,
    ) -> Result<(), Fault> {
        let path = absolute(&query.path)?;
        let (root, ids) = self.root_of(name, "copy into").await?;
        let mut reader = ByteReader::new(content);
        let work = in_archive(move || {
            let (root, top) = target(&root, &path)?;
            let owner = match query.keep_owner {
                true => Owner::AsPacked,
                false => Owner::Root,
            };
            let root = &root;
            let unpack = Unpack {
                root,
                owner,
                ids,
                top,
            };
            match ids {
                None => unpack.run(&mut reader),
                Some(range) => as_root_of(range, || unpack.run(&mut reader)),
            }
        });
        work.await
    }

    /// The root of a container that runs, with everything that is mounted in it, and the host's ids that its
    /// own are.
    async fn root_of(
        &self,
        name: &str,
        verb: &'static str,
    ) -> Result<(OwnedFd, Option<IdRange>), RuntimeError> {
        let name = self.known(name)?;
        let not_now = || RuntimeError::NotNow {
            verb,
            container: name.clone(),
            why: "it does not run".to_owned(),
        };
        let instance = self.inner.live.serving(&name);
        if self.inner.live.running(&instance).is_none() {
            return Err(not_now());
        }
        let known = self.inner.live.known(&name).ok_or_else(not_now)?;
        let places = self.inner.executor.places.clone();
        let root = blocking(move || {
            let pid = inside::process(&known.container, &known.status, &places);
            Ok(pid.and_then(|pid| open_root(pid, &instance).ok()))
        });
        let root = root.await.map_err(RuntimeError::of(&name, Step::Observe))?;
        root.ok_or_else(not_now)
    }
}

/// Opens the root of a process, and makes sure then that it is one of the container's: its number may have
/// become another's.
fn open_root(pid: u32, instance: &Instance) -> Result<(OwnedFd, Option<IdRange>), StepError> {
    let path = PathBuf::from(format!("/proc/{pid}"));
    let fail = |error: rustix::io::Errno| StepError::file("open", &path)(error.into());
    let process = open(&path, FOLDER, Mode::empty()).map_err(fail)?;
    let root = openat(&process, "root", FOLDER, Mode::empty()).map_err(fail)?;
    let read = |file: &str| {
        let opened = openat(&process, file, OFlags::CLOEXEC, Mode::empty()).map_err(fail)?;
        let mut text = String::new();
        let read = std::fs::File::from(opened).read_to_string(&mut text);
        read.map_err(StepError::file("read", &path))?;
        Ok::<String, StepError>(text)
    };
    let range = IdRange::of_map(&read("uid_map")?);
    match inside::is_of(&read("cgroup")?, &unit_name(instance)) {
        true => Ok((root, range)),
        false => Err(fail(rustix::io::Errno::SRCH)),
    }
}

/// Does `work` as the root of a container with these ids: what it makes is the container's root's then. The
/// kernel makes nothing for ids that a container does not have, and the host's root is none of them.
fn as_root_of<T: Send>(
    range: IdRange,
    work: impl FnOnce() -> Result<T, ArchiveError> + Send,
) -> Result<T, ArchiveError> {
    // A thread of its own, which ends with these ids.
    let become_root = || -> io::Result<()> {
        let mine = capabilities(None)?;
        setfsgid(Gid::from_raw(range.root()));
        setfsuid(Uid::from_raw(range.root()));
        // Those over files have gone with the id.
        Ok(set_capabilities(None, mine)?)
    };
    let fail = |source| ArchiveError::File {
        verb: "become the owner of",
        path: PathBuf::from("/"),
        source,
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| become_root().map_err(fail).and_then(|()| work()));
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(fail(io::Error::other("the thread ended early"))))
    })
}

fn absolute(path: &str) -> Result<PathBuf, Fault> {
    if path.starts_with('/') {
        return Ok(PathBuf::from(path));
    }
    let message = format!("cannot copy {path:?}: it is no absolute path");
    Err(Fault::new(FaultKind::Usage, message).hint("write it from / on, as the container sees it"))
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> ArchiveError {
    let path = path.to_owned();
    move |error| ArchiveError::File {
        verb,
        path,
        source: error.into(),
    }
}

async fn in_archive<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, Fault> {
    let done = blocking(move || Ok(work())).await;
    let done = done.map_err(RuntimeError::all(Step::Exec))?;
    done.map_err(|error| error.fault())
}

/// The folder of a path, and its last name: empty where it ends in none, as `/` and `/a/..` do.
fn place(root: &OwnedFd, path: &Path) -> Result<(OwnedFd, OsString), ArchiveError> {
    let (above, last) = match parted(path) {
        Some((above, last)) => (above, last.to_owned()),
        None => (path, OsString::new()),
    };
    let parent = openat2(root, above, FOLDER, Mode::empty(), IN_ROOT);
    Ok((parent.map_err(failed("open", above))?, last))
}

/// The folder that an archive is unpacked in, and what its top is called there.
fn target(root: &OwnedFd, path: &Path) -> Result<(OwnedFd, Option<OsString>), ArchiveError> {
    match openat2(root, path, FOLDER, Mode::empty(), IN_ROOT) {
        Ok(folder) => Ok((folder, None)),
        // A file of this name is replaced, and so is a link that leads nowhere.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
            let (parent, last) = place(root, path)?;
            Ok((parent, Some(last).filter(|last| !last.is_empty())))
        }
        Err(error) => Err(failed("open", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_to_where_the_container_would_be_led_and_never_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        for folder in ["root/run/app", "root/var", "outside"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(outside.join("secret"), "secret").unwrap();
        symlink("/run", root.join("var/run")).unwrap();
        symlink(&outside, root.join("absolute")).unwrap();
        symlink("../../outside", root.join("relative")).unwrap();
        let fd = crate::archive::open_dir(&root).unwrap();
        let (folder, top) = target(&fd, Path::new("/var/run/app")).unwrap();
        assert_eq!(top, None);
        let led = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder));
        assert_eq!(fs::read_link(led).unwrap(), root.join("run/app"));
        let (_, top) = target(&fd, Path::new("/var/run/new")).unwrap();
        assert_eq!(top, Some("new".into()));
        for path in ["/absolute/secret", "/relative/secret", "/../outside/secret"] {
            place(&fd, Path::new(path)).unwrap_err();
        }
        // Above the root there is the root.
        let (_, top) = place(&fd, Path::new("/../../run")).unwrap();
        assert_eq!(top, "run");
        target(&fd, Path::new("/none/new")).unwrap_err();
    }
}
