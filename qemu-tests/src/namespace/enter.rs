//! Running a program of the image inside a running namespace machine.

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The namespaces to enter, by their names under `/proc/<pid>/ns`. The mount namespace is last:
/// in it the host's `/proc` is gone.
const NAMESPACES: [(&str, CloneFlags); 6] = [
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// A program cannot be run in a machine.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Not tied to the caller's life.
    #[error("cannot tie the program to its caller")]
    Tie(#[source] nix::Error),
    /// The machine does not run, or not any more.
    #[error("cannot open {path}: does the machine run?")]
    Open {
        /// The namespace.
        path: PathBuf,
        /// Why.
        source: nix::Error,
    },
    /// A namespace does not let us in.
    #[error("cannot enter the machine's {name} namespace")]
    Enter {
        /// Which.
        name: &'static str,
        /// Why.
        source: nix::Error,
    },
    /// The machine's control group does not take us.
    #[error("cannot enter the machine's control group")]
    Cgroup(#[source] io::Error),
    /// The image has no such program.
    #[error("cannot run {program} in the machine")]
    Run {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// Runs a program of the machine whose init has the number `init` on the host, with the caller's
/// standard streams, as root, and waits for it. Must be called in a process of its own with one
/// thread. The program dies with the machine, and with the caller.
///
/// # Errors
/// Each variant of [`EnterError`] is a step.
pub fn enter(init: i32, cgroup: &Path, command: &[String]) -> Result<ExitStatus, EnterError> {
    set_pdeathsig(Signal::SIGKILL).map_err(EnterError::Tie)?;
    let handles = open_namespaces(init)?;
    // Where systemd itself is: a cgroup with controllers takes no process but in its leaves.
    let scope = cgroup.join("init.scope");
    let group = if scope.exists() {
        scope
    } else {
        cgroup.to_owned()
    };
    fs::write(group.join("cgroup.procs"), "0").map_err(EnterError::Cgroup)?;
    for ((name, kind), handle) in NAMESPACES.iter().zip(&handles) {
        setns(handle, *kind).map_err(|source| EnterError::Enter { name, source })?;
    }
    let (program, arguments) = command.split_first().ok_or_else(|| EnterError::Run {
        program: "nothing".to_owned(),
        source: io::ErrorKind::InvalidInput.into(),
    })?;
    // A child, since only children are in the pid namespace that was entered.
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        .env("TERM", "dumb")
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .status()
        .map_err(|source| EnterError::Run {
            program: program.clone(),
            source,
        })
}

fn open_namespaces(init: i32) -> Result<Vec<OwnedFd>, EnterError> {
    let open_one = |(name, _): &(&str, CloneFlags)| {
        let path = PathBuf::from(format!("/proc/{init}/ns/{name}"));
        open(&path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|source| EnterError::Open { path, source })
    };
    NAMESPACES.iter().map(open_one).collect()
}
