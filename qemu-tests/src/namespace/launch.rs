//! The launcher: one boot of a namespace machine.

use crate::lan;
use crate::namespace::BootPlan;
use crate::spec::LanPort;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What the launcher tells the supervisor, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchEvent {
    /// Init runs; its number on the host.
    Init(i32),
    /// The boot has ended.
    Ended(BootEnd),
}

/// How a boot ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootEnd {
    /// The machine asked for a reboot.
    Reboot,
    /// The machine switched itself off.
    PowerOff,
    /// PID 1 was killed from outside: a power cut.
    Killed,
    /// PID 1 ended, which is a panic on a real machine; how.
    Panic(String),
}

impl BootEnd {
    /// What the end of a pid namespace's init means, by reboot(2): a reboot shows as `SIGHUP`, a
    /// halt or power off as `SIGINT`.
    fn of(status: ExitStatus) -> Self {
        match status.signal().map(Signal::try_from) {
            Some(Ok(Signal::SIGHUP)) => Self::Reboot,
            Some(Ok(Signal::SIGINT)) => Self::PowerOff,
            Some(Ok(Signal::SIGKILL)) => Self::Killed,
            _ => Self::Panic(status.to_string()),
        }
    }
}

/// A boot cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Not tied to the life of the supervisor.
    #[error("cannot tie the launcher to its supervisor")]
    Tie(#[source] nix::Error),
    /// No plan.
    #[error("cannot read the plan of the boot")]
    Plan(#[source] io::Error),
    /// No pid namespace.
    #[error("cannot make a pid namespace")]
    PidNamespace(#[source] nix::Error),
    /// Init does not start.
    #[error("cannot start init")]
    Start(#[source] io::Error),
    /// Init does not answer.
    #[error("cannot hear from init")]
    Talk(#[source] io::Error),
    /// Init gave up before it had its namespaces.
    #[error("cannot go on: init ended with {0}, see the lines above")]
    InitGaveUp(ExitStatus),
    /// The machine gets no network.
    #[error("cannot plug the machine into its network")]
    Plug(#[from] lan::LanError),
    /// Init's end cannot be waited for.
    #[error("cannot wait for init")]
    Wait(#[source] io::Error),
}

/// Boots the machine once, and returns when that boot is over. Must be called in a process of its
/// own with one thread. Writes [`LaunchEvent`]s to `events`.
///
/// # Errors
/// Each variant of [`LaunchError`] is a step; nothing of the boot is left then.
pub fn launch(plan_path: &Path, events: &mut dyn Write) -> Result<(), LaunchError> {
    set_pdeathsig(Signal::SIGKILL).map_err(LaunchError::Tie)?;
    let plan = BootPlan::read(plan_path).map_err(LaunchError::Plan)?;
    unshare(CloneFlags::CLONE_NEWPID).map_err(LaunchError::PidNamespace)?;
    let mut init = Command::new("/proc/self/exe")
        .arg("init")
        .arg(plan_path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(LaunchError::Start)?;
    let ready = let_init_go(&mut init, plan.lan.as_ref());
    if ready.is_err() {
        let ended = stop(&mut init).map_err(LaunchError::Wait)?;
        // Init's own words are on standard error already.
        return ready.map_err(|error| match error {
            LaunchError::Talk(_) => LaunchError::InitGaveUp(ended),
            other => other,
        });
    }
    tell(events, &LaunchEvent::Init(init.id().cast_signed()))?;
    let status = init.wait().map_err(LaunchError::Wait)?;
    tell(events, &LaunchEvent::Ended(BootEnd::of(status)))
}

/// Waits until init has its namespaces, plugs the network in and lets init go on.
fn let_init_go(init: &mut Child, port: Option<&LanPort>) -> Result<(), LaunchError> {
    let closed = || LaunchError::Talk(io::ErrorKind::UnexpectedEof.into());
    let mut line = String::new();
    let out = init.stdout.take().ok_or_else(closed)?;
    BufReader::new(out)
        .read_line(&mut line)
        .map_err(LaunchError::Talk)?;
    if line.is_empty() {
        return Err(closed());
    }
    if let Some(port) = port {
        lan::plug(port)?;
    }
    let mut into = init.stdin.take().ok_or_else(closed)?;
    into.write_all(b"go\n").map_err(LaunchError::Talk)
}

fn stop(init: &mut Child) -> io::Result<ExitStatus> {
    // Gone already is as good as killed.
    if let Err(error) = init.kill() {
        log::debug!("ignoring: cannot kill init: {error}");
    }
    init.wait()
}

fn tell(events: &mut dyn Write, event: &LaunchEvent) -> Result<(), LaunchError> {
    let failed = LaunchError::Talk;
    serde_json::to_writer(&mut *events, event).map_err(|error| failed(error.into()))?;
    events
        .write_all(b"\n")
        .and_then(|()| events.flush())
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_of_reboot_2_are_told_from_a_power_cut_and_a_panic() {
        let ended = |raw| BootEnd::of(ExitStatus::from_raw(raw));
        assert_eq!(ended(1), BootEnd::Reboot);
        assert_eq!(ended(2), BootEnd::PowerOff);
        assert_eq!(ended(9), BootEnd::Killed);
        assert_eq!(ended(11), BootEnd::Panic("signal: 11 (SIGSEGV)".to_owned()));
        assert_eq!(ended(1 << 8), BootEnd::Panic("exit status: 1".to_owned()));
    }
}
