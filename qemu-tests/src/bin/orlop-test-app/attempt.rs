//! Ways out of a container, each tried without harm: where it leads, what it changes is what was there
//! before.

use super::{network, queue};
use nix::kmod::init_module;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::time::{ClockId, clock_gettime, clock_settime};
use nix::unistd::Pid;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

/// A setting of the whole host that every kernel has.
const SYSCTL: &str = "/proc/sys/vm/swappiness";
/// What decides which limits a control group can set.
const CGROUP_FILE: &str = "/sys/fs/cgroup/cgroup.subtree_control";
const API: &str = "/run/orlop/api.sock";
const BUS: &str = "/run/dbus/system_bus_socket";
const CONTAINERS: &str = "/run/orlop/containers";
/// Who can make so many tasks is not held back.
const MOST_TASKS: u32 = 20_000;
/// Stack of such a task in bytes: it only waits.
const TASK_STACK: usize = 64 << 10;

/// Tries the way called `name`: what it came to, or why it did not.
pub(crate) fn attempt(name: &str) -> io::Result<String> {
    let (way, to) = name.split_once('/').unwrap_or((name, ""));
    match way {
        "sysctl" => write_again(SYSCTL),
        "module" => init_module(b"no module", c"").map_err(not_refused_as_module),
        "mount" => mount_tmpfs(),
        "device" => raw_device(),
        "ptrace" => trace_others(),
        "api" => UnixStream::connect(API).map(drop),
        "bus" => UnixStream::connect(BUS).map(drop),
        "connect" => network::connect(to),
        "secrets" => fs::read_dir(CONTAINERS).map(drop),
        "namespace" => unshare(CloneFlags::CLONE_NEWNS).map_err(Into::into),
        "clock" => set_clock(),
        "cgroup" => write_again(CGROUP_FILE),
        "fork" => fork_without_end(),
        "write" => write_new(to),
        "send" => queue::send(to),
        _ => Err(io::Error::other("no such attempt")),
    }
    .map(|()| format!("{name}: done\n"))
}

/// Writes into a file of the kernel what is in it.
fn write_again(path: &str) -> io::Result<()> {
    let before = fs::read(path)?;
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(&before)
}

/// A kernel that looks at the module at all has let the caller through.
fn not_refused_as_module(error: nix::Error) -> io::Error {
    match error {
        nix::Error::ENOEXEC => io::Error::other("let through: the kernel read the module"),
        other => other.into(),
    }
}

fn mount_tmpfs() -> io::Result<()> {
    let none = None::<&str>;
    Ok(mount(
        Some("tmpfs"),
        "/tmp",
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )?)
}

/// The first disk of most machines: SCSI, device number 8:0 (devices.txt of Linux).
fn raw_device() -> io::Result<()> {
    let path = Path::new("/raw-device");
    mknod(path, SFlag::S_IFBLK, Mode::S_IRUSR, makedev(8, 0))?;
    let opened = fs::File::open(path).map(drop);
    opened.map_err(|error| io::Error::new(error.kind(), format!("made, but not opened: {error}")))
}

/// Attaches to a process that is not of this container.
fn trace_others() -> io::Result<()> {
    let mut seen = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let number: Option<i32> = name.to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|n| u32::try_from(*n) != Ok(std::process::id())) {
            seen += 1;
            let other = Pid::from_raw(number);
            // Without stopping it; the kernel lets go of it with this thread.
            if ptrace::seize(other, ptrace::Options::empty()).is_ok() {
                return Ok(());
            }
        }
    }
    Err(io::Error::other(format!(
        "none of {seen} other processes can be traced"
    )))
}

fn set_clock() -> io::Result<()> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME)?;
    Ok(clock_settime(ClockId::CLOCK_REALTIME, now)?)
}

fn write_new(path: &str) -> io::Result<()> {
    fs::write(Path::new("/").join(path), b"written")
}

/// Makes tasks that wait, until the kernel makes no more; they end with this.
fn fork_without_end() -> io::Result<()> {
    let gate = Arc::new(RwLock::new(()));
    let _shut = gate.write().unwrap_or_else(PoisonError::into_inner);
    for made in 0..MOST_TASKS {
        let gate = Arc::clone(&gate);
        let task = thread::Builder::new().stack_size(TASK_STACK);
        task.spawn(move || drop(gate.read())).map_err(|error| {
            io::Error::new(error.kind(), format!("{error}: after {made} tasks"))
        })?;
    }
    Ok(())
}
