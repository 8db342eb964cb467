//! User namespaces of containers, and network namespaces that belong to them.

use super::error::StepError;
use super::instance::Instance;
use super::net::{Namespace, keep_new};
use super::observe::mount_points;
use super::places::Places;
use super::{ids, net};
use crate::id_range::IdRange;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A process in new namespaces, which does nothing. They go with it, unless they are kept.
pub(super) struct Holder {
    process: Pid,
    /// Its end lets the process end, also where it is the agent's.
    _until: PipeWriter,
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Nobody else waits for it, so the number is its own until then.
        let ended = kill(self.process, Signal::SIGKILL).and_then(|()| waitpid(self.process, None));
        if let Err(error) = ended {
            log::debug!("ignoring that a process that held namespaces is not waited for: {error}");
        }
    }
}

impl Holder {
    /// Makes a user namespace with this mapping of users and groups and, with `also`, one of another kind that
    /// belongs to it. A process of its own has to do it: the kernel lets none with threads enter a user
    /// namespace (unshare(2)).
    pub(super) fn new(map: &str, also: Option<Namespace>) -> Result<Self, StepError> {
        let flags = CloneFlags::CLONE_NEWUSER | also.map_or(CloneFlags::empty(), Namespace::flag);
        let holder = Self::start(None, flags).map_err(StepError::UserNamespace)?;
        for file in ["uid_map", "gid_map"] {
            let path = holder.proc(file);
            // In one write, as the kernel wants it.
            std::fs::write(&path, map).map_err(StepError::file("write", &path))?;
        }
        Ok(holder)
    }

    /// Makes a namespace of `kind` that belongs to the user namespace `owner`.
    fn within(owner: BorrowedFd<'_>, kind: Namespace) -> Result<Self, StepError> {
        Self::start(Some(owner), kind.flag()).map_err(StepError::UserNamespace)
    }

    fn start(owner: Option<BorrowedFd<'_>>, flags: CloneFlags) -> io::Result<Self> {
        let (mut ready, tell) = io::pipe()?;
        let (wait, until) = io::pipe()?;
        // SAFETY: the child makes system calls only, on memory of its own stack. It takes no lock, which
        // another thread might have held, and allocates nothing.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(until);
                hold(owner, flags, tell, wait)
            }
            ForkResult::Parent { child } => {
                let holder = Self {
                    process: child,
                    _until: until,
                };
                drop(tell);
                let mut errno = [0; 4];
                ready.read_exact(&mut errno)?;
                match i32::from_ne_bytes(errno) {
                    0 => Ok(holder),
                    errno => Err(io::Error::from_raw_os_error(errno)),
                }
            }
        }
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.process))
    }

    /// The user namespace.
    pub(super) fn open(&self) -> Result<File, StepError> {
        let path = self.proc("ns/user");
        File::open(&path).map_err(StepError::file("open", &path))
    }

    /// Keeps one of its namespaces at `path`, which holds none.
    pub(super) fn keep(&self, kind: Namespace, path: &Path) -> Result<(), StepError> {
        keep_new(kind, path, self.process.as_raw().cast_unsigned())
    }
}

/// What the child does, and nothing else: it is a copy of one thread of many.
fn hold(
    owner: Option<BorrowedFd<'_>>,
    flags: CloneFlags,
    mut tell: PipeWriter,
    mut wait: PipeReader,
) -> ! {
    let joined = owner.map_or(Ok(()), |owner| setns(owner, CloneFlags::CLONE_NEWUSER));
    let made = joined.and_then(|()| unshare(flags));
    let errno = made.map_or_else(|errno| errno as i32, |()| 0);
    let told = tell.write_all(&errno.to_ne_bytes());
    if told.is_ok() {
        // Until nobody has the other end any more.
        let _ = wait.read(&mut [0]);
    }
    // SAFETY: it ends the process, without what would be done at the end of the agent.
    unsafe { nix::libc::_exit(0) }
}

/// Makes the user namespace of `name` where it has none yet, which it shall have. For containers without
/// networks of their own: [`net::connect`] makes both. Idempotent.
pub(super) fn ensure(places: &Places, name: &Instance) -> Result<(), StepError> {
    let path = places.userns_file(name);
    match ids::of(places, name)? {
        None => net::remove_namespace(&path),
        Some(_) if mount_points()?.contains(&path) => Ok(()),
        Some(range) => Holder::new(&range.map(), None)?.keep(Namespace::User, &path),
    }
}

/// Makes a namespace of `kind` that belongs to the user namespace kept at `owner`, or to the host's where there
/// is none, and keeps it at `path`, which holds none.
pub(super) fn create_within(
    owner: Option<&Path>,
    kind: Namespace,
    path: &Path,
) -> Result<(), StepError> {
    let Some(owner) = owner else {
        return net::create_namespace(kind, path);
    };
    let owner = File::open(owner).map_err(StepError::file("open", owner))?;
    Holder::within(owner.as_fd(), kind)?.keep(kind, path)
}

/// The number of the namespace kept at `path`: no two that are there have the same.
pub(super) fn number(path: &Path) -> Result<u64, StepError> {
    let found = std::fs::metadata(path).map_err(StepError::file("find", path))?;
    Ok(found.ino())
}

/// Makes user and network namespace of `name`, in which nothing runs. A user namespace that it has already stays:
/// others may be in it.
pub(super) fn create_both(
    places: &Places,
    name: &Instance,
    range: IdRange,
) -> Result<(), StepError> {
    let (path, netns) = (places.userns_file(name), places.netns_file(name));
    if mount_points()?.contains(&path) {
        return create_within(Some(&path), Namespace::Net, &netns);
    }
    let holder = Holder::new(&range.map(), Some(Namespace::Net))?;
    holder.keep(Namespace::User, &path)?;
    holder.keep(Namespace::Net, &netns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_namespace_has_its_ids_and_goes_with_its_process() {
        let range = IdRange::all().next().unwrap();
        let holder = Holder::new(&range.map(), Some(Namespace::Net)).unwrap();
        let map = std::fs::read_to_string(holder.proc("uid_map")).unwrap();
        assert_eq!(IdRange::of_map(&map), Some(range));
        for kind in ["user", "net"] {
            let theirs = std::fs::metadata(holder.proc(&format!("ns/{kind}"))).unwrap();
            let own = std::fs::metadata(format!("/proc/self/ns/{kind}")).unwrap();
            assert_ne!(theirs.ino(), own.ino(), "{kind}");
        }
        let process = holder.proc("");
        drop(holder);
        assert!(!process.exists());
    }

    #[test]
    fn a_namespace_made_later_belongs_to_the_user_namespace_that_is_named() {
        let range = IdRange::all().next().unwrap();
        let first = Holder::new(&range.map(), None).unwrap();
        let later = Holder::within(first.open().unwrap().as_fd(), Namespace::Ipc).unwrap();
        let number_of = |holder: &Holder, kind| number(&holder.proc(&format!("ns/{kind}")));
        assert_eq!(
            number_of(&later, "user").unwrap(),
            number_of(&first, "user").unwrap()
        );
        let own = number(Path::new("/proc/self/ns/ipc")).unwrap();
        assert_ne!(number_of(&later, "ipc").unwrap(), own);
        assert_eq!(number_of(&first, "ipc").unwrap(), own);
    }
}
