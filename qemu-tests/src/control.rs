//! What a machine's owner and its supervisor say to each other: one line of JSON each way for each
//! connection to the control socket.

use crate::namespace::BootEnd;
use crate::process::ProcessId;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long either side may take to say its line.
const LINE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the owner asks of the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// How does the machine stand?
    Status,
    /// Boot it, if it is off.
    PowerOn,
    /// Press the power button: the machine's init shuts it down in its own time.
    PowerOff,
    /// Pull the plug: every process of the machine is gone when the reply comes.
    PowerCut,
    /// Pull the plug, clean up and end the supervisor.
    Stop,
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// Done, or asked for; the machine stands like this.
    Status(MachineStatus),
    /// It cannot be done: why.
    Refused(String),
}

/// Whether a machine is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// It runs.
    On,
    /// It is off.
    Off,
    /// It cannot boot any more: why.
    Broken(String),
}

/// How a machine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Whether it is on.
    pub power: Power,
    /// How many times it has been booted.
    pub boots: u32,
    /// Its init's (or emulator's) number on the host, while it is on.
    pub init: Option<i32>,
    /// How its last boot ended; none before that.
    pub last_end: Option<BootEnd>,
    /// What it boots: a path of a tree, or the digest of the root that was chosen last.
    pub root: Option<String>,
    /// Its control group on the host, if it is a namespace machine.
    pub cgroup: Option<PathBuf>,
    /// The process that looks after it.
    pub supervisor: ProcessId,
}

/// Asks the supervisor that listens on `socket`, and waits for its answer.
///
/// # Errors
/// Nobody listens, or the answer does not come within 30 s.
pub(crate) fn ask(socket: &Path, request: Request) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LINE_TIMEOUT))?;
    send(&mut stream, &request)?;
    receive(&stream)
}

/// Writes one line.
pub(crate) fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    stream.set_write_timeout(Some(LINE_TIMEOUT))?;
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads one line.
pub(crate) fn receive<T: for<'de> Deserialize<'de>>(stream: &UnixStream) -> io::Result<T> {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
