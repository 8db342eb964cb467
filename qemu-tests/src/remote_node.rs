//! A QEMU node, and the `orlop` command that talks to it over TLS as an operator does.

use crate::api_access::{API_PORT, ApiAccess, fingerprint};
use crate::free_port::free_port;
use crate::machine::{Machine, MachineError};
use crate::qemu::{DISK_FILE, QemuSpec};
use crate::spec::{Life, MachineKind, MachineSpec, Publish};
use orlop_api::Status;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Memory of a node in MiB: the OS, its agent at work on an update, and small containers.
const MEMORY_MIB: u32 = 1024;
/// Processors of a node.
const CPUS: u32 = 2;

/// A node cannot be made or talked to.
#[derive(Debug, thiserror::Error)]
pub enum RemoteNodeError {
    /// No port.
    #[error("cannot find a free port")]
    Port(#[source] io::Error),
    /// The machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A program is missing.
    #[error("cannot run {program}: `make programs` builds it")]
    Program {
        /// What was run.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `orlop-image disk` failed.
    #[error("cannot make the disk {path}: {said}")]
    Disk {
        /// The disk.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// The answer is not what was expected.
    #[error("cannot understand what orlop says: {said}")]
    Answer {
        /// What it said.
        said: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// Makes a disk that boots the image `tag` of a layout, with this TOML for its first boot. `tools` is
/// the folder with `orlop-image`.
///
/// # Errors
/// `orlop-image` is not there, or refuses.
pub fn make_disk(
    tools: &Path,
    (layout, tag): (&Path, &str),
    config: &Path,
    disk: &Path,
) -> Result<(), RemoteNodeError> {
    let program = tools.join("orlop-image");
    let output = Command::new(&program)
        .args(["disk", "--image"])
        .arg(format!("{}:{tag}", layout.display()))
        .arg("--output")
        .arg(disk)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| RemoteNodeError::Program { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(RemoteNodeError::Disk {
        path: disk.to_owned(),
        said,
    })
}

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct RemoteNodeSpec<'a> {
    /// Its name.
    pub name: &'a str,
    /// The machine's folder, which is made. Absolute.
    pub dir: &'a Path,
    /// The disk that it gets a copy of. Absolute.
    pub disk: &'a Path,
    /// The keys that its TOML lets in.
    pub access: ApiAccess,
    /// The port of the node that the host shall reach besides its API.
    pub app_port: u16,
    /// Credentials of the machine: files by name (systemd.system-credentials(7)).
    pub credentials: BTreeMap<String, PathBuf>,
    /// Whether every write to its disk is recorded ([`crate::qemu::WRITES_FILE`]).
    pub record_writes: bool,
    /// Further arguments for QEMU.
    pub arguments: Vec<String>,
}

/// What came of an `orlop` command.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it told about it.
    pub talk: String,
}

/// A node in QEMU that is driven from the host. Stopped, and its folder removed, with this value.
#[derive(Debug)]
pub struct RemoteNode {
    machine: Machine,
    orlop: PathBuf,
    access: ApiAccess,
    api: SocketAddr,
    app: SocketAddr,
    disk: PathBuf,
}

impl RemoteNode {
    /// Powers it on. `tools` is the folder with `orlop-machine` and `orlop`.
    ///
    /// # Errors
    /// The machine cannot be started.
    pub fn start(tools: &Path, spec: RemoteNodeSpec<'_>) -> Result<Self, RemoteNodeError> {
        let port = || free_port().map_err(RemoteNodeError::Port);
        let (api, app) = (port()?, port()?);
        let publish = [(api, API_PORT), (app, spec.app_port)];
        let publish = publish.map(|(host, port)| Publish { host, port });
        let machine = MachineSpec {
            name: spec.name.to_owned(),
            dir: spec.dir.to_owned(),
            life: Life::Tethered,
            kind: MachineKind::Qemu(QemuSpec {
                disk: spec.disk.to_owned(),
                memory_mib: MEMORY_MIB,
                cpus: CPUS,
                publish: publish.to_vec(),
                credentials: spec.credentials,
                record_writes: spec.record_writes,
                arguments: spec.arguments,
            }),
        };
        Ok(Self {
            machine: Machine::start(&tools.join("orlop-machine"), &machine)?,
            orlop: tools.join("orlop"),
            access: spec.access,
            api,
            app,
            disk: spec.dir.join(DISK_FILE),
        })
    }

    /// The machine that it runs on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The machine's own disk, raw.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Where the host reaches the port of the spec.
    pub fn app(&self) -> SocketAddr {
        self.app
    }

    /// `orlop` with these arguments and all that it needs to reach the node, which is known by the
    /// fingerprint that its console has shown last.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let console = self.machine.console();
        let mut command = Command::new(&self.orlop);
        command
            .args(arguments)
            .envs(self.access.environment(self.api.port(), &console))
            .stdin(Stdio::null());
        command
    }

    /// Runs `orlop` to its end.
    ///
    /// # Errors
    /// It is not there. Its own failure is in what it [`Said`].
    pub fn orlop(&self, arguments: &[&str]) -> Result<Said, RemoteNodeError> {
        let output =
            self.command(arguments)
                .output()
                .map_err(|source| RemoteNodeError::Program {
                    program: self.orlop.clone(),
                    source,
                })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said {
            code: output.status.code(),
            out: text(&output.stdout),
            talk: text(&output.stderr),
        })
    }

    /// What `orlop --json` with these arguments prints.
    ///
    /// # Errors
    /// It is not there, or says something else.
    pub fn read<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, RemoteNodeError> {
        let said = self.orlop(&[&["--json"], arguments].concat())?;
        serde_json::from_str(&said.out).map_err(|source| RemoteNodeError::Answer {
            said: said.out + &said.talk,
            source,
        })
    }

    /// Waits until a boot has shown the API's fingerprint on the console, after its first `from` bytes
    /// (the length of an earlier console), and the API answers.
    ///
    /// # Errors
    /// Neither comes in time; the error has the end of the console.
    pub fn wait_ready(&self, from: usize, deadline: Duration) -> Result<Status, MachineError> {
        self.machine
            .wait("the API's fingerprint on the console", deadline, || {
                let console = self.machine.console();
                let new = console.get(from..).unwrap_or_default();
                fingerprint(new).map(drop).ok_or_else(String::new)
            })?;
        self.wait_status("an answer of the API", deadline, |_| true)
    }

    /// Waits until the node's status is as wanted.
    ///
    /// # Errors
    /// It is not in time; the error has the status and the end of the console.
    pub fn wait_status(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, MachineError> {
        self.machine
            .wait(what, deadline, || match self.read::<Status>(&["status"]) {
                Ok(status) if wanted(&status) => Ok(status),
                Ok(status) => Err(format!("{status:?}")),
                Err(error) => Err(crate::error_text(&error)),
            })
    }
}
