//! What a supervisor needs of each kind of machine.

use super::event::Event;
use crate::boot_loader::BootLoaderError;
use crate::cgroup::CgroupError;
use crate::lan::LanError;
use crate::namespace::ConsoleError;
use crate::qemu::QemuError;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// No control group, or it cannot be removed.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// No network.
    #[error(transparent)]
    Lan(#[from] LanError),
    /// The boot loader finds nothing to boot.
    #[error(transparent)]
    BootLoader(#[from] BootLoaderError),
    /// The plan of a boot cannot be written.
    #[error("cannot write the plan of the boot")]
    Plan(#[source] io::Error),
    /// No QEMU machine.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// A process cannot be started.
    #[error("cannot start {what}")]
    Start {
        /// Which.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A process cannot be signalled.
    #[error("cannot send a signal to process {pid}")]
    Signal {
        /// Its number.
        pid: i32,
        /// Why.
        source: nix::Error,
    },
    /// It has no init yet.
    #[error("cannot reach the machine's init: it is still starting; ask again")]
    NoInit,
    /// Init's helper failed.
    #[error("cannot press the power button: {0}")]
    PowerButton(String),
}

/// Kills a machine's init or emulator. One that has just ended by itself is no error: word of its end is
/// on its way.
///
/// # Errors
/// [`EngineError::Signal`]: it may not be signalled.
pub(super) fn pull_plug(pid: i32) -> Result<(), EngineError> {
    match kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(source) => Err(EngineError::Signal { pid, source }),
    }
}

/// A machine that can be booted again and again.
pub(super) trait Engine {
    /// Starts a boot. Its init and its end are told to `events` later. Gives what is booted.
    fn boot(&mut self, boot: u32, events: &Sender<Event>) -> Result<String, EngineError>;
    /// Asks the machine to switch itself off.
    fn press_power_button(&mut self, init: Option<i32>) -> Result<(), EngineError>;
    /// Kills the machine; its end is told as an event.
    fn cut(&mut self, init: Option<i32>) -> Result<(), EngineError>;
    /// Kills whatever is left, and waits until it is gone.
    fn clean_up(&mut self) -> Result<(), EngineError>;
    /// The control group, if the machine has one.
    fn cgroup(&self) -> Option<PathBuf>;
}
