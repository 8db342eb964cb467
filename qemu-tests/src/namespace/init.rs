//! Init: the first process of a namespace machine, up to the moment when it becomes systemd.

use crate::lan;
use crate::namespace::mounts::{self, MountError};
use crate::namespace::{BootPlan, BootRoot};
use crate::spec::LanPort;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{sethostname, setsid};
use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The image's init.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// Init cannot become systemd.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Not tied to the life of the launcher.
    #[error("cannot tie init to its launcher")]
    Tie(#[source] nix::Error),
    /// No plan.
    #[error("cannot read the plan of the boot")]
    Plan(#[source] io::Error),
    /// Not in the machine's control group.
    #[error("cannot enter the control group {path}")]
    Cgroup {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No namespaces.
    #[error("cannot make the machine's namespaces")]
    Namespaces(#[source] nix::Error),
    /// The launcher does not answer.
    #[error("cannot hear from the launcher")]
    Launcher(#[source] io::Error),
    /// No host name.
    #[error("cannot set the host name {name}")]
    HostName {
        /// The name.
        name: String,
        /// Why.
        source: nix::Error,
    },
    /// No network.
    #[error("cannot set up the network")]
    Network(#[from] lan::LanError),
    /// Something cannot be mounted.
    #[error("cannot put the machine's file systems together")]
    Mounts(#[from] MountError),
    /// No console.
    #[error("cannot open the machine's console")]
    Console(#[source] io::Error),
    /// The root file system has no systemd, or it does not start.
    #[error("cannot start {SYSTEMD}")]
    Exec(#[source] io::Error),
}

/// Makes the calling process, PID 1 of a new pid namespace, the machine's systemd.
///
/// # Errors
/// Each variant of [`InitError`] is a step. The process must end then.
pub fn become_init(plan_path: &Path) -> Result<Infallible, InitError> {
    set_pdeathsig(Signal::SIGKILL).map_err(InitError::Tie)?;
    let plan = BootPlan::read(plan_path).map_err(InitError::Plan)?;
    fs::write(plan.cgroup.join("cgroup.procs"), "0").map_err(|source| InitError::Cgroup {
        path: plan.cgroup.clone(),
        source,
    })?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWNET;
    unshare(namespaces).map_err(InitError::Namespaces)?;
    wait_for_launcher().map_err(InitError::Launcher)?;
    sethostname(&plan.name).map_err(|source| InitError::HostName {
        name: plan.name.clone(),
        source,
    })?;
    prepare(&plan)?;
    exec_systemd(match &plan.root {
        BootRoot::Tree(_) => &[],
        BootRoot::Image { choice, .. } => &choice.arguments,
    })
}

/// Says that the namespaces are there, and waits until the network has been plugged in.
fn wait_for_launcher() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Network, mounts and the new root.
fn prepare(plan: &BootPlan) -> Result<(), InitError> {
    if let Some(port) = &plan.lan {
        lan::configure(port)?;
    }
    let target = mounts::private_mount_point(&plan.dir)?;
    mounts::mount_root(plan, &target)?;
    mounts::mount_kernel_file_systems(&target, &plan.terminal)?;
    if let Some(port) = &plan.lan {
        write_network_unit(&target, port)?;
    }
    Ok(mounts::enter_root(&target)?)
}

/// Tells networkd the address, so that it keeps it instead of asking for one by DHCP.
fn write_network_unit(target: &Path, port: &LanPort) -> Result<(), InitError> {
    let folder = target.join("run/systemd/network");
    let failed = |source| MountError::Write {
        path: folder.clone(),
        source,
    };
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::write(folder.join("05-machine.network"), lan::networkd_unit(port)).map_err(failed)?;
    Ok(())
}

fn exec_systemd(arguments: &[String]) -> Result<Infallible, InitError> {
    setsid().map_err(|errno| InitError::Console(errno.into()))?;
    let console = || -> io::Result<File> {
        let flags = (OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open("/dev/console")
    };
    let stdio = || console().map(Stdio::from).map_err(InitError::Console);
    let error = Command::new(SYSTEMD)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        // systemd looks at this to see that it runs in a container, and leaves hardware alone.
        .env("container", "orlop-machine")
        .env("TERM", "dumb")
        .stdin(stdio()?)
        .stdout(stdio()?)
        .stderr(stdio()?)
        .exec();
    Err(InitError::Exec(error))
}
