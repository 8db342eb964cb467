//! Leaves a process behind that holds the far end, and becomes the OCI runtime.
//!
//! In this order, so that systemd sees what it would see without it: the runtime is the process that systemd has started,
//! with its number, its exit status and its place as the parent of a task's program.

use crate::failure::Failure;
use crate::far_end::FarEnd;
use crate::hold::Holder;
use crate::journal::Journal;
use crate::watched::Watched;
use nix::unistd::{ForkResult, fork};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{PidfdFlags, WaitOptions, getpid, pidfd_open, setsid, waitpid};
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where others join, in the container's folder.
pub(crate) const ATTACH_SOCKET: &str = "attach.sock";
/// Where the OCI runtime sends the terminal to, its `--console-socket`.
pub(crate) const CONSOLE_SOCKET: &str = "console.sock";
/// Root alone may join.
const PRIVATE: u32 = 0o600;
/// The kernel is asked not to choose this process when memory is out (proc_pid_oom_score_adj(5)): the program would
/// lose its terminal, and hardly any memory would be won.
const NEVER_CHOSEN: &str = "-1000";

/// What a container's program has at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A terminal, which is its output too.
    Terminal,
    /// A pipe that it reads from.
    Input,
}

/// What is to be started.
pub(crate) struct Launch<'a> {
    pub(crate) kind: Kind,
    /// The container's own folder, which root alone may enter.
    pub(crate) folder: &'a Path,
    /// Where the OCI runtime writes the number of the container's first process.
    pub(crate) pid_file: &'a Path,
    pub(crate) program: &'a OsStr,
    pub(crate) arguments: &'a [OsString],
}

impl Kind {
    /// As it is written among the arguments.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "terminal" => Some(Self::Terminal),
            "input" => Some(Self::Input),
            _ => None,
        }
    }
}

/// Returns only where it fails.
pub(crate) fn start(launch: &Launch<'_>) -> Result<Infallible, Failure> {
    // One of the run before would name a process that has ended.
    remove(launch.pid_file)?;
    let door = listen(&launch.folder.join(ATTACH_SOCKET))?;
    let (far_end, near_end) = match launch.kind {
        Kind::Terminal => {
            let listener = listen(&launch.folder.join(CONSOLE_SOCKET))?;
            (FarEnd::Awaited(listener), None)
        }
        Kind::Input => {
            let (reader, writer) =
                pipe_with(PipeFlags::CLOEXEC).map_err(|error| Failure::Pipe(error.into()))?;
            let far_end = FarEnd::input(writer).map_err(Failure::Pipe)?;
            (far_end, Some(reader))
        }
    };
    // Known by its descriptor: it is the OCI runtime from now on, and this number may be another's later.
    let runtime = pidfd_open(getpid(), PidfdFlags::empty());
    let runtime = runtime.map_err(|error| Failure::Fork(error.into()))?;
    leave_behind(|| {
        // Where this is not allowed, as in some containers, it is as likely to be chosen as others of its size: hardly.
        let _ = fs::write("/proc/self/oom_score_adj", NEVER_CHOSEN);
        let watched = Watched::new(runtime, launch.pid_file.to_owned());
        let mut holder = Holder::new(door, far_end, Journal::stdout()?, watched);
        holder.hold();
        // Before the connections end: who has waited for that finds nothing left.
        remove(&launch.folder.join(ATTACH_SOCKET)).map_err(io::Error::other)
    })
    .map_err(Failure::Fork)?;
    Err(become_runtime(launch, near_end))
}

fn become_runtime(launch: &Launch<'_>, near_end: Option<OwnedFd>) -> Failure {
    let mut command = Command::new(launch.program);
    command.args(launch.arguments);
    if let Some(near_end) = near_end {
        command.stdin(Stdio::from(near_end));
    }
    Failure::Run {
        path: launch.program.into(),
        source: command.exec(),
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::Remove {
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

fn listen(path: &Path) -> Result<UnixListener, Failure> {
    remove(path)?;
    let listen = || {
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| Failure::Listen {
        path: path.to_owned(),
        source,
    })
}

/// Lets a process that is nobody's child do `work`: the OCI runtime waits for all children that it has. Returns in the
/// calling process alone.
fn leave_behind(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if let Some(child) = forked()? {
        waitpid(Some(child), WaitOptions::empty())?;
        return Ok(());
    }
    let worked = setsid()
        .map_err(io::Error::from)
        .and_then(|_| match forked()? {
            Some(_) => Ok(()),
            None => work(),
        });
    let status = match worked {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: cannot hold the terminal: {error}");
            1
        }
    };
    std::process::exit(status)
}

/// The child in the parent, and none in the child.
fn forked() -> io::Result<Option<rustix::process::Pid>> {
    // SAFETY: there is one thread, so nothing is locked or half-done in the child.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(rustix::process::Pid::from_raw(child.as_raw())),
        ForkResult::Child => Ok(None),
    }
}
