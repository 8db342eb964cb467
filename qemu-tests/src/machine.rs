//! A machine, as those who use it see it.

use crate::control::{self, MachineStatus, Power, Reply, Request};
use crate::spec::{CONSOLE_FILE, CONTROL_SOCKET, Life, MachineSpec, SPEC_FILE, SUPERVISOR_LOG};
use crate::sweep::{self, SweepError};
use crate::wait::{TimedOut, wait_for};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// How long a supervisor may take to answer for the first time, on a busy host.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a supervisor may take to clean up.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// So many of the last lines of a log go into an error.
const TAIL_LINES: usize = 25;

/// Something that was asked of a machine failed.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// What earlier machines left behind cannot be removed.
    #[error("cannot sweep up after earlier machines")]
    Sweep(#[from] SweepError),
    /// The name cannot be a name of a host, a folder and a control group.
    #[error("cannot name a machine {0:?}: use 1 to 32 of a-z, 0-9 and -")]
    Name(String),
    /// The machine's directory cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The supervisor does not start.
    #[error("cannot start the supervisor {program}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The supervisor gave up.
    #[error("cannot start machine {name}; its supervisor says:\n{log}")]
    GaveUp {
        /// The machine.
        name: String,
        /// The end of the supervisor's log.
        log: String,
    },
    /// Nobody answers on the control socket.
    #[error("cannot reach the supervisor of machine {name}: does it run?")]
    Unreachable {
        /// The machine.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The supervisor said no.
    #[error("cannot do that to machine {name}: {reason}")]
    Refused {
        /// The machine.
        name: String,
        /// Why.
        reason: String,
    },
    /// Something did not happen in time.
    #[error("{timed_out}\n{tail}")]
    TimedOut {
        /// What.
        timed_out: TimedOut,
        /// The end of the machine's console.
        tail: String,
    },
    /// The machine cannot boot any more.
    #[error("cannot go on: {why}\n{tail}")]
    Broken {
        /// Why.
        why: String,
        /// The end of the machine's console.
        tail: String,
    },
    /// A program cannot be run in the machine.
    #[error("cannot run a program in machine {name}")]
    Exec {
        /// The machine.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The machine is off.
    #[error("cannot run a program in machine {0}: it is off")]
    Off(String),
}

/// A machine that runs under a supervisor.
///
/// One that was started with [`Life::Tethered`] is stopped, and its directory removed, when this
/// value goes; also when the process ends in any other way.
#[derive(Debug)]
pub struct Machine {
    name: String,
    dir: PathBuf,
    program: PathBuf,
    /// The supervisor of a tethered machine, and the pipe whose end tells it to stop.
    tether: Option<(Child, Option<ChildStdin>)>,
}

impl Machine {
    /// Starts a machine; `program` is the `orlop-machine` binary. Returns when its supervisor has
    /// begun the first boot.
    ///
    /// # Errors
    /// Each variant of [`MachineError`] up to `GaveUp` is a step; nothing is left running.
    pub fn start(program: &Path, spec: &MachineSpec) -> Result<Self, MachineError> {
        check_name(&spec.name)?;
        sweep::sweep()?;
        let written = |path: &Path| {
            let path = path.to_owned();
            move |source| MachineError::Write { path, source }
        };
        fs::create_dir_all(&spec.dir).map_err(written(&spec.dir))?;
        let spec_path = spec.dir.join(SPEC_FILE);
        let text = serde_json::to_vec_pretty(spec)
            .map_err(|error| written(&spec_path)(io::Error::from(error)))?;
        fs::write(&spec_path, text).map_err(written(&spec_path))?;
        let log_path = spec.dir.join(SUPERVISOR_LOG);
        let log = File::create(&log_path).map_err(written(&log_path))?;
        let mut machine = Self::attach(program, &spec.name, &spec.dir);
        let mut supervisor = machine.spawn_supervisor(spec.life, log)?;
        machine.wait_for_supervisor(&mut supervisor)?;
        if spec.life == Life::Tethered {
            let pipe = supervisor.stdin.take();
            machine.tether = Some((supervisor, pipe));
        }
        Ok(machine)
    }

    /// A machine that runs already, or did.
    pub fn attach(program: &Path, name: &str, dir: &Path) -> Self {
        let (name, dir, program) = (name.to_owned(), dir.to_owned(), program.to_owned());
        Self {
            name,
            dir,
            program,
            tether: None,
        }
    }

    fn spawn_supervisor(&self, life: Life, log: File) -> Result<Child, MachineError> {
        let failed = |source| MachineError::Start {
            program: self.program.clone(),
            source,
        };
        let stdin = match life {
            Life::Tethered => Stdio::piped(),
            Life::Detached => Stdio::null(),
        };
        let errors = log.try_clone().map_err(failed)?;
        Command::new(&self.program)
            .arg("supervise")
            .arg(&self.dir)
            .current_dir("/")
            .stdin(stdin)
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(failed)
    }

    fn wait_for_supervisor(&self, supervisor: &mut Child) -> Result<(), MachineError> {
        let answered = wait_for("the supervisor's answer", START_DEADLINE, || {
            if let Ok(Some(status)) = supervisor.try_wait() {
                return Ok(Err(status));
            }
            self.status()
                .map(Ok)
                .map_err(|error| crate::error_text(&error))
        });
        let gave_up = || {
            let log = tail(&self.dir.join(SUPERVISOR_LOG));
            Err(MachineError::GaveUp {
                name: self.name.clone(),
                log,
            })
        };
        match answered {
            Ok(Ok(MachineStatus {
                power: Power::Broken(_),
                ..
            }))
            | Ok(Err(_)) => gave_up(),
            Ok(Ok(_)) => Ok(()),
            Err(timed_out) => {
                // Without its owner's pipe it would clean up too, but not before we return.
                if let Err(error) = supervisor.kill().and_then(|()| supervisor.wait().map(drop)) {
                    log::warn!("ignoring: cannot stop the supervisor: {error}");
                }
                Err(self.timed_out(timed_out))
            }
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How it stands.
    ///
    /// # Errors
    /// Its supervisor does not run.
    pub fn status(&self) -> Result<MachineStatus, MachineError> {
        self.ask(Request::Status)
    }

    /// Boots it, if it is off.
    ///
    /// # Errors
    /// Its supervisor does not run, or the boot cannot begin.
    pub fn power_on(&self) -> Result<MachineStatus, MachineError> {
        self.ask(Request::PowerOn)
    }

    /// Asks it to shut down, and waits until it has, at most for `deadline`.
    ///
    /// # Errors
    /// It does not shut down in time; it runs on then.
    pub fn power_off(&self, deadline: Duration) -> Result<MachineStatus, MachineError> {
        self.wait_for_boot(deadline)?;
        self.ask(Request::PowerOff)?;
        self.wait_for_status("the machine off", deadline, |status| {
            status.power == Power::Off
        })
    }

    /// Cuts its power: when this returns, none of its processes runs.
    ///
    /// # Errors
    /// Its supervisor does not run.
    pub fn cut_power(&self) -> Result<MachineStatus, MachineError> {
        self.wait_for_boot(START_DEADLINE)?;
        self.ask(Request::PowerCut)
    }

    /// Stops the machine and its supervisor. A detached machine's directory stays.
    ///
    /// # Errors
    /// Its supervisor does not run, or cannot clean up in time.
    pub fn stop(&self) -> Result<(), MachineError> {
        let status = self.status()?;
        match self.ask(Request::Stop) {
            // It may be gone before its answer is out.
            Err(MachineError::Unreachable { .. }) | Ok(_) => {}
            Err(other) => return Err(other),
        }
        wait_for("the supervisor gone", STOP_DEADLINE, || {
            if status.supervisor.alive() {
                Err("it runs".to_owned())
            } else {
                Ok(())
            }
        })
        .map_err(|timed_out| self.timed_out(timed_out))
    }

    /// Waits until the machine's status is as wanted.
    ///
    /// # Errors
    /// It is not in time; the error has the end of the console.
    pub fn wait_for_status(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&MachineStatus) -> bool,
    ) -> Result<MachineStatus, MachineError> {
        self.wait(what, deadline, || match self.status() {
            Ok(status) if wanted(&status) => Ok(status),
            Ok(status) => Err(format!("{status:?}")),
            Err(error) => Err(crate::error_text(&error)),
        })
    }

    /// Waits until `condition` gives a value, like [`wait_for`], but not for a machine that cannot
    /// boot any more.
    ///
    /// # Errors
    /// It gives none in time; the error has the end of the console.
    pub fn wait<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut() -> Result<T, String>,
    ) -> Result<T, MachineError> {
        let seen = wait_for(what, deadline, || {
            condition().map(Ok).or_else(|last| match self.status() {
                Ok(MachineStatus {
                    power: Power::Broken(why),
                    ..
                }) => Ok(Err(why)),
                _ => Err(last),
            })
        });
        match seen {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(why)) => Err(MachineError::Broken {
                why,
                tail: self.tail(),
            }),
            Err(timed_out) => Err(self.timed_out(timed_out)),
        }
    }

    /// Waits until a text is in what came out of the console since `from` (a length of an earlier
    /// [`Self::console`]). Gives the console up to now.
    ///
    /// # Errors
    /// The text does not come in time.
    pub fn wait_for_console(
        &self,
        text: &str,
        from: usize,
        deadline: Duration,
    ) -> Result<String, MachineError> {
        self.wait(&format!("{text:?} on the console"), deadline, || {
            let console = self.console();
            match console.get(from..) {
                Some(new) if new.contains(text) => Ok(console),
                _ => Err(String::new()),
            }
        })
    }

    /// Everything that came out of its console so far.
    pub fn console(&self) -> String {
        let bytes = fs::read(self.dir.join(CONSOLE_FILE)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs a program of a namespace machine's image inside it, as root, and waits for its end.
    ///
    /// # Errors
    /// The machine is off, or the program cannot be started.
    pub fn exec(&self, command: &[&str]) -> Result<Output, MachineError> {
        let failed = |source| MachineError::Exec {
            name: self.name.clone(),
            source,
        };
        self.enter_command(command)?
            .stdin(Stdio::null())
            .output()
            .map_err(failed)
    }

    /// Like [`Self::exec`], with the caller's standard streams.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn exec_interactive(&self, command: &[&str]) -> Result<ExitStatus, MachineError> {
        let failed = |source| MachineError::Exec {
            name: self.name.clone(),
            source,
        };
        self.enter_command(command)?.status().map_err(failed)
    }

    fn enter_command(&self, command: &[&str]) -> Result<Command, MachineError> {
        let status = self.wait_for_boot(START_DEADLINE)?;
        let (Some(init), Some(cgroup)) = (status.init, status.cgroup) else {
            return Err(MachineError::Off(self.name.clone()));
        };
        let mut enter = Command::new(&self.program);
        enter
            .arg("enter")
            .arg(init.to_string())
            .arg(cgroup)
            .arg("--")
            .args(command);
        Ok(enter)
    }

    fn wait_for_boot(&self, deadline: Duration) -> Result<MachineStatus, MachineError> {
        self.wait_for_status("the machine's init", deadline, |status| {
            status.power != Power::On || status.init.is_some()
        })
    }

    fn ask(&self, request: Request) -> Result<MachineStatus, MachineError> {
        let name = self.name.clone();
        match control::ask(&self.dir.join(CONTROL_SOCKET), request) {
            Ok(Reply::Status(status)) => Ok(status),
            Ok(Reply::Refused(reason)) => Err(MachineError::Refused { name, reason }),
            Err(source) => Err(MachineError::Unreachable { name, source }),
        }
    }

    fn timed_out(&self, timed_out: TimedOut) -> MachineError {
        MachineError::TimedOut {
            timed_out,
            tail: self.tail(),
        }
    }

    /// The last lines of the machine's logs, for people.
    pub fn tail(&self) -> String {
        let console = tail(&self.dir.join(CONSOLE_FILE));
        let supervisor = tail(&self.dir.join(SUPERVISOR_LOG));
        format!("--- supervisor\n{supervisor}\n--- console\n{console}\n---")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let Some((mut supervisor, pipe)) = self.tether.take() else {
            return;
        };
        drop(pipe);
        if let Err(error) = supervisor.wait() {
            log::warn!(
                "ignoring: cannot wait for the supervisor of {}: {error}",
                self.name
            );
        }
    }
}

fn check_name(name: &str) -> Result<(), MachineError> {
    let fits = (1..=32).contains(&name.len());
    let plain = name
        .bytes()
        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if fits && plain && !name.starts_with('-') {
        return Ok(());
    }
    Err(MachineError::Name(name.to_owned()))
}

/// The last lines of a log; what cannot be read is empty.
fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
