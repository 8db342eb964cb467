//! The supervisor: the process that looks after one machine for as long as it exists.

mod engine;
mod event;
mod namespace;
mod ports;
mod qemu;

pub use engine::EngineError;
pub use ports::PortError;

use crate::control::{self, MachineStatus, Power, Reply, Request};
use crate::namespace::BootEnd;
use crate::process::ProcessId;
use crate::spec::{CONTROL_SOCKET, Life, MachineKind, MachineSpec, SPEC_FILE};
use engine::Engine;
use event::Event;
use std::fs;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// So many boots in a row that end in a panic, and the machine stays off. More than the tries of
/// any boot entry, so that the boot loader's fall back is not cut short.
const MAX_PANICS: u32 = 10;

/// A supervisor cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The spec cannot be read.
    #[error("cannot read the machine's spec {path}")]
    Spec {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No control socket.
    #[error("cannot listen on {path}")]
    Listen {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The supervisor does not find itself in `/proc`.
    #[error("cannot read /proc: is it mounted?")]
    NoProc,
    /// A port of the host cannot be taken.
    #[error("cannot connect the machine with the host")]
    Ports(#[from] PortError),
    /// The machine's surroundings cannot be made, or not be removed.
    #[error("cannot look after the machine")]
    Engine(#[from] EngineError),
}

/// Reads a machine's spec.
///
/// # Errors
/// The file cannot be read, or is not a spec.
pub fn read_spec(path: &Path) -> Result<MachineSpec, SupervisorError> {
    let failed = |source| SupervisorError::Spec {
        path: path.to_owned(),
        source,
    };
    let text = fs::read(path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

/// Boots the machine in `dir` and looks after it until it is told to stop or, for a tethered
/// machine, until standard input ends. Nothing of the machine runs any more on return.
///
/// # Errors
/// Each variant of [`SupervisorError`] is a step.
pub fn supervise(dir: &Path) -> Result<(), SupervisorError> {
    // Away from the terminal and process group of who started it: an interrupt there ends the
    // owner, which this process sees and then cleans up.
    if let Err(errno) = nix::unistd::setsid() {
        log::debug!("ignoring: already a session of its own: {errno}");
    }
    let spec = read_spec(&dir.join(SPEC_FILE))?;
    let own = ProcessId::own().ok_or(SupervisorError::NoProc)?;
    let (events, inbox) = channel();
    let engine: Box<dyn Engine> = match &spec.kind {
        MachineKind::Namespace(namespace) => {
            let ports = ports::Ports::take(namespace)?;
            let engine = namespace::NamespaceEngine::new(&spec, namespace, own)?;
            if let Some(lan) = &namespace.lan {
                ports.forward(lan);
            }
            Box::new(engine)
        }
        MachineKind::Qemu(qemu) => Box::new(qemu::QemuEngine::new(&spec, qemu)?),
    };
    listen(&dir.join(CONTROL_SOCKET), &events)?;
    if spec.life == Life::Tethered {
        watch_owner(&events);
    }
    let supervisor = Supervisor::new(engine, own, events);
    supervisor.run(&inbox)?;
    if spec.life == Life::Tethered {
        remove_dir(dir);
    }
    Ok(())
}

struct Supervisor {
    engine: Box<dyn Engine>,
    status: MachineStatus,
    events: Sender<Event>,
    panics: u32,
    /// Who waits for the plug to be pulled.
    cutting: Vec<Sender<Reply>>,
}

impl Supervisor {
    fn new(engine: Box<dyn Engine>, own: ProcessId, events: Sender<Event>) -> Self {
        let status = MachineStatus {
            power: Power::Off,
            boots: 0,
            init: None,
            last_end: None,
            root: None,
            cgroup: engine.cgroup(),
            supervisor: own,
        };
        Self {
            engine,
            status,
            events,
            panics: 0,
            cutting: Vec::new(),
        }
    }

    fn run(mut self, inbox: &Receiver<Event>) -> Result<(), SupervisorError> {
        self.boot();
        let mut stopping = None;
        while let Ok(event) = inbox.recv() {
            match event {
                Event::OwnerGone => break,
                Event::Asked(Request::Stop, reply) => {
                    stopping = Some(reply);
                    break;
                }
                Event::Asked(request, reply) => self.answer(request, reply),
                Event::Init { boot, pid } if boot == self.status.boots => {
                    self.status.init = Some(pid);
                }
                Event::Ended { boot, end } if boot == self.status.boots => self.boot_ended(end),
                Event::Failed { boot, why } if boot == self.status.boots => {
                    self.status.power = Power::Broken(why);
                    self.answer_cutters();
                }
                // Of a boot that is over.
                Event::Init { .. } | Event::Ended { .. } | Event::Failed { .. } => {}
            }
        }
        let cleaned = self.engine.clean_up();
        self.status.power = Power::Off;
        self.status.init = None;
        if let Some(reply) = stopping {
            event::reply(&reply, Reply::Status(self.status));
        }
        Ok(cleaned?)
    }

    fn boot(&mut self) {
        self.status.boots += 1;
        self.status.init = None;
        match self.engine.boot(self.status.boots, &self.events) {
            Ok(root) => {
                self.status.root = Some(root);
                self.status.power = Power::On;
            }
            Err(error) => {
                let text = crate::error_text(&error);
                log::error!("{text}");
                self.status.power = Power::Broken(text);
            }
        }
    }

    fn boot_ended(&mut self, end: BootEnd) {
        log::info!("boot {} ended: {end:?}", self.status.boots);
        self.status.init = None;
        self.status.power = Power::Off;
        self.status.last_end = Some(end.clone());
        if self.answer_cutters() {
            return;
        }
        match end {
            BootEnd::PowerOff | BootEnd::Killed => {}
            BootEnd::Reboot => {
                self.panics = 0;
                self.boot();
            }
            // A real machine reboots after a panic (`panic=` on its kernel command line).
            BootEnd::Panic(how) => {
                self.panics += 1;
                if self.panics < MAX_PANICS {
                    self.boot();
                } else {
                    self.status.power = Power::Broken(format!(
                        "{MAX_PANICS} boots in a row ended in a panic, the last one with {how}"
                    ));
                }
            }
        }
    }

    /// Tells those who pulled the plug how the machine stands; whether there are any.
    fn answer_cutters(&mut self) -> bool {
        let cutters = std::mem::take(&mut self.cutting);
        for reply in &cutters {
            event::reply(reply, Reply::Status(self.status.clone()));
        }
        !cutters.is_empty()
    }

    fn answer(&mut self, request: Request, reply: Sender<Reply>) {
        let on = self.status.power == Power::On;
        let done = match request {
            Request::Status | Request::Stop => Ok(()),
            Request::PowerOn if on => Ok(()),
            Request::PowerOn => {
                self.panics = 0;
                self.boot();
                Ok(())
            }
            Request::PowerOff if on => self.engine.press_power_button(self.status.init),
            Request::PowerCut if on => match self.engine.cut(self.status.init) {
                // The reply comes when the boot has ended.
                Ok(()) => return self.cutting.push(reply),
                Err(error) => Err(error),
            },
            Request::PowerOff | Request::PowerCut => Ok(()),
        };
        let answer = match done {
            Ok(()) => Reply::Status(self.status.clone()),
            Err(error) => Reply::Refused(crate::error_text(&error)),
        };
        event::reply(&reply, answer);
    }
}

/// Takes requests from the control socket, each in a thread of its own.
fn listen(path: &Path, events: &Sender<Event>) -> Result<(), SupervisorError> {
    let failed = |source| SupervisorError::Listen {
        path: path.to_owned(),
        source,
    };
    // Left by a supervisor that was killed; who starts one has made sure that none runs.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    let events = events.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let events = events.clone();
            thread::spawn(move || {
                if let Err(error) = serve(stream, &events) {
                    log::debug!("ignoring: a caller went away: {error}");
                }
            });
        }
    });
    Ok(())
}

fn serve(mut stream: UnixStream, events: &Sender<Event>) -> io::Result<()> {
    let request = control::receive(&stream)?;
    let (reply, answer) = channel();
    events
        .send(Event::Asked(request, reply))
        .map_err(io::Error::other)?;
    let answer = answer.recv().map_err(io::Error::other)?;
    control::send(&mut stream, &answer)
}

/// Standard input is a pipe whose other end only the owner has.
fn watch_owner(events: &Sender<Event>) {
    let events = events.clone();
    thread::spawn(move || {
        let mut rest = Vec::new();
        if let Err(error) = io::stdin().lock().read_to_end(&mut rest) {
            log::debug!("ignoring: the owner's pipe broke: {error}");
        }
        event::send(&events, Event::OwnerGone);
    });
}

fn remove_dir(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        // A sweep finds it by its owner.
        log::warn!("ignoring: cannot remove {}: {error}", dir.display());
    }
}
