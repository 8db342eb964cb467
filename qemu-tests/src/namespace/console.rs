//! The console of a namespace machine: a pseudo terminal whose output goes to a file.

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

/// A console cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the console {log}")]
pub struct ConsoleError {
    log: PathBuf,
    source: io::Error,
}

/// A pseudo terminal whose output a thread appends to a log file.
#[derive(Debug)]
pub struct Console {
    terminal: PathBuf,
    /// Held open, so that the reading side does not see an end between two boots.
    _terminal: File,
}

impl Console {
    /// Makes a console that writes to `log`, which is created or appended to.
    ///
    /// # Errors
    /// No pseudo terminal to be had, or no writable `log`.
    pub fn open(log: &Path) -> Result<Self, ConsoleError> {
        let failed = |source| ConsoleError {
            log: log.to_owned(),
            source,
        };
        let mut out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(failed)?;
        let mut master = new_pty().map_err(|errno| failed(errno.into()))?;
        let terminal = ptsname_r(&master)
            .map(PathBuf::from)
            .map_err(|errno| failed(errno.into()))?;
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits())
            .open(&terminal)
            .map_err(failed)?;
        let mut modes = tcgetattr(&slave).map_err(|errno| failed(errno.into()))?;
        cfmakeraw(&mut modes);
        tcsetattr(&slave, SetArg::TCSANOW, &modes).map_err(|errno| failed(errno.into()))?;
        thread::spawn(move || {
            if let Err(error) = io::copy(&mut master, &mut out) {
                log::warn!("ignoring: the console is not written any more: {error}");
            }
        });
        Ok(Self {
            terminal,
            _terminal: slave,
        })
    }

    /// Path of the terminal on the host, `/dev/pts/<n>`.
    pub fn terminal(&self) -> &Path {
        &self.terminal
    }
}

fn new_pty() -> nix::Result<PtyMaster> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    Ok(master)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::wait_until;
    use std::fs;
    use std::io::Write;
    use std::time::Duration;

    #[test]
    fn what_is_written_to_the_terminal_is_in_the_log_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("console.log");
        let console = Console::open(&log).unwrap();
        for boot in ["first\n", "second\n"] {
            let mut terminal = OpenOptions::new()
                .write(true)
                .open(console.terminal())
                .unwrap();
            terminal.write_all(boot.as_bytes()).unwrap();
        }
        wait_until("both boots in the log", Duration::from_secs(10), || {
            fs::read_to_string(&log).unwrap() == "first\nsecond\n"
        })
        .unwrap();
    }
}
