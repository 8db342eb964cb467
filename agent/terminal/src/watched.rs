//! How it is known that the container has ended.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The process that stands for the container: first its OCI runtime, and its own first process when that has ended.
pub(crate) struct Watched {
    process: OwnedFd,
    /// Where the OCI runtime writes the number of the container's first process; none once that is watched.
    pid_file: Option<PathBuf>,
}

impl Watched {
    pub(crate) fn new(runtime: OwnedFd, pid_file: PathBuf) -> Self {
        Self {
            process: runtime,
            pid_file: Some(pid_file),
        }
    }

    /// It can be read from when the process has ended (pidfd_open(2)).
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// The process has ended: goes on with the next one. None where there is no other, so that the container has ended,
    /// or was never made.
    pub(crate) fn next(self) -> Option<Self> {
        let text = fs::read_to_string(self.pid_file?).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Some(Self {
            process,
            pid_file: None,
        })
    }
}
