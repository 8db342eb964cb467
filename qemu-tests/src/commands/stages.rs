//! The processes that a machine is made of, each a hidden command.

use super::Outcome;
use orlop_machines::{namespace, supervisor};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a shell gives for a program that signal 0 would have killed; the signal is added.
const KILLED_BY_SIGNAL: u8 = 128;

/// A program to be run in a namespace machine.
#[derive(Debug, clap::Args)]
pub(super) struct Enter {
    /// The number of the machine's init.
    init: i32,
    /// The machine's control group.
    cgroup: PathBuf,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Looks after a machine.
pub(super) fn supervise(dir: &Path) -> Outcome {
    supervisor::supervise(dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Boots a machine once.
pub(super) fn launch(plan: &Path) -> Outcome {
    namespace::launch(plan, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

/// Becomes a machine's init.
pub(super) fn init(plan: &Path) -> Outcome {
    match namespace::become_init(plan)? {}
}

/// Runs a program in a machine.
pub(super) fn enter(enter: &Enter) -> Outcome {
    let status = namespace::enter(enter.init, &enter.cgroup, &enter.command)?;
    let signal = || status.signal().and_then(|signal| u8::try_from(signal).ok());
    let code = match status.code().map(u8::try_from) {
        Some(Ok(code)) => code,
        _ => KILLED_BY_SIGNAL.saturating_add(signal().unwrap_or_default()),
    };
    Ok(ExitCode::from(code))
}
