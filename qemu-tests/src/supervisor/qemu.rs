//! Boots of a QEMU machine. QEMU itself carries out the guest's reboots; a boot ends with its process.

use super::engine::{Engine, EngineError, pull_plug};
use super::event::{Event, send};
use crate::namespace::BootEnd;
use crate::qemu::{Qemu, QemuSpec};
use crate::spec::MachineSpec;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// How long QEMU may take to answer on its control socket.
const QMP_TIMEOUT: Duration = Duration::from_secs(5);

/// A QEMU machine.
#[derive(Debug)]
pub(super) struct QemuEngine {
    qemu: Qemu,
    running: Option<thread::JoinHandle<()>>,
    pid: Option<i32>,
}

impl QemuEngine {
    /// Makes what all boots of the machine share: its disk and firmware variables.
    pub(super) fn new(spec: &MachineSpec, qemu: &QemuSpec) -> Result<Self, EngineError> {
        Ok(Self {
            qemu: Qemu::prepare(qemu, &spec.dir)?,
            running: None,
            pid: None,
        })
    }
}

impl Engine for QemuEngine {
    fn boot(&mut self, boot: u32, events: &Sender<Event>) -> Result<String, EngineError> {
        self.clean_up()?;
        let mut child = self.qemu.start()?;
        let pid = i32::try_from(child.id()).expect("Linux process numbers fit");
        self.pid = Some(pid);
        send(events, Event::Init { boot, pid });
        let events = events.clone();
        self.running = Some(thread::spawn(move || {
            use std::os::unix::process::ExitStatusExt;
            let event = match child.wait() {
                Ok(status) if status.success() => Event::Ended {
                    boot,
                    end: BootEnd::PowerOff,
                },
                Ok(status) if status.signal().is_some() => Event::Ended {
                    boot,
                    end: BootEnd::Killed,
                },
                Ok(status) => Event::Failed {
                    boot,
                    why: format!("QEMU: {status}, see qemu.log"),
                },
                Err(error) => Event::Failed {
                    boot,
                    why: format!("cannot wait for QEMU: {error}"),
                },
            };
            send(&events, event);
        }));
        Ok(self.qemu.disk().display().to_string())
    }

    fn press_power_button(&mut self, _init: Option<i32>) -> Result<(), EngineError> {
        qmp(&self.qemu.qmp(), "system_powerdown")
            .map_err(|error| EngineError::PowerButton(error.to_string()))
    }

    fn cut(&mut self, _init: Option<i32>) -> Result<(), EngineError> {
        pull_plug(self.pid.ok_or(EngineError::NoInit)?)
    }

    fn clean_up(&mut self) -> Result<(), EngineError> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        if !running.is_finished() {
            self.cut(None)?;
        }
        if running.join().is_err() {
            log::warn!("ignoring: the thread that waited for QEMU panicked");
        }
        self.pid = None;
        Ok(())
    }

    fn cgroup(&self) -> Option<PathBuf> {
        None
    }
}

/// Has QEMU carry out one command (QEMU's qmp-spec: a greeting, `qmp_capabilities`, the command).
fn qmp(socket: &Path, command: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(QMP_TIMEOUT))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    lines.next().transpose()?;
    for word in ["qmp_capabilities", command] {
        writeln!(stream, "{{\"execute\":\"{word}\"}}")?;
        answer(word, &mut lines)?;
    }
    Ok(())
}

/// Reads the answer to a command; events of the machine may come before it.
fn answer(word: &str, lines: &mut impl Iterator<Item = io::Result<String>>) -> io::Result<()> {
    loop {
        let line = lines.next().transpose()?.unwrap_or_default();
        if line.contains("\"return\"") {
            return Ok(());
        }
        if !line.contains("\"event\"") {
            return Err(io::Error::other(format!("QEMU answers {word} with {line}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::answer;
    use std::io;

    #[test]
    fn an_event_before_the_answer_is_no_answer() {
        let read = |lines: &[&str]| {
            let lines: Vec<io::Result<String>> =
                lines.iter().map(|line| Ok((*line).to_owned())).collect();
            answer("system_powerdown", &mut lines.into_iter())
        };
        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "POWERDOWN"}"#;
        read(&[event, r#"{"return": {}}"#]).unwrap();
        read(&[event, r#"{"error": {"class": "GenericError"}}"#]).unwrap_err();
        read(&[event]).unwrap_err();
    }
}
