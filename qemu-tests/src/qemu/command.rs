//! A QEMU machine: what it is made of, and the process that it is.

use super::accel::Accel;
use super::firmware::{Firmware, FirmwareError};
use crate::disk_log::{Recorder, RecorderError};
use crate::spec::{CONSOLE_FILE, Publish};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// File in the machine's directory: its own disk, a sparse copy of the image that it was given. Raw,
/// so that a test can look into it and damage it while the machine is off.
pub const DISK_FILE: &str = "disk.img";
/// File in the machine's directory: the log of what was written to its disk, where that is recorded.
pub const WRITES_FILE: &str = "writes.log";
/// The firmware's variables.
const VARS_FILE: &str = "vars.fd";
/// QEMU's control socket (QMP).
const QMP_SOCKET: &str = "qmp.sock";
/// Where a recorded disk is served.
const DISK_SOCKET: &str = "disk.sock";
/// Where systemd looks for credentials in QEMU's firmware configuration (systemd.system-credentials(7)).
const CREDENTIAL_PREFIX: &str = "opt/io.systemd.credentials/";

/// A machine made by QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QemuSpec {
    /// The disk image, raw. It stays as it is: the machine gets a sparse copy in its directory.
    pub disk: PathBuf,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Processors; emulated ones (TCG) count as one.
    pub cpus: u32,
    /// Ports of the machine that the host's loopback interface forwards to. The host's loopback
    /// interface is 10.0.2.2 for the machine.
    pub publish: Vec<Publish>,
    /// systemd credentials by name, such as `orlop.node`: files whose content is passed on.
    pub credentials: BTreeMap<String, PathBuf>,
    /// Whether every write to the disk is recorded, in [`WRITES_FILE`].
    #[serde(default)]
    pub record_writes: bool,
    /// Further arguments for QEMU, as they are.
    pub arguments: Vec<String>,
}

/// A QEMU machine cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// No firmware.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// The probe for KVM failed.
    #[error("cannot find out whether KVM works here")]
    Probe(#[source] io::Error),
    /// A program is missing.
    #[error("cannot run {program}: is it installed?")]
    Program {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The disk cannot be made.
    #[error("cannot make the disk {path}: {said}")]
    Disk {
        /// The machine's copy.
        path: PathBuf,
        /// What cp said.
        said: String,
    },
    /// The disk's writes cannot be recorded.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// A log file cannot be opened.
    #[error("cannot open {path}")]
    Log {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A QEMU machine in its directory: disk, firmware variables, console log and QMP socket.
#[derive(Clone, Debug)]
pub struct Qemu {
    spec: QemuSpec,
    dir: PathBuf,
    firmware: Firmware,
    accel: Accel,
}

impl Qemu {
    /// Prepares the machine's directory; a disk that is there already is kept.
    ///
    /// # Errors
    /// No firmware, no image, no room, or no recorder.
    pub fn prepare(spec: &QemuSpec, dir: &Path) -> Result<Self, QemuError> {
        let firmware = Firmware::with_vars(&dir.join(VARS_FILE))?;
        let accel = Accel::best().map_err(QemuError::Probe)?;
        let disk = dir.join(DISK_FILE);
        if !disk.exists() {
            copy_disk(&spec.disk, &disk)?;
        }
        if spec.record_writes {
            // Lives as long as this process, the machine's supervisor.
            Recorder::start(&disk, &dir.join(WRITES_FILE), &dir.join(DISK_SOCKET))?;
        }
        Ok(Self {
            spec: spec.clone(),
            dir: dir.to_owned(),
            firmware,
            accel,
        })
    }

    /// The machine's own disk, raw.
    pub fn disk(&self) -> PathBuf {
        self.dir.join(DISK_FILE)
    }

    /// Where QEMU listens for QMP.
    pub fn qmp(&self) -> PathBuf {
        self.dir.join(QMP_SOCKET)
    }

    /// Starts it; the console goes to the log file in its directory, after what is there already.
    /// The process is the machine: killing it cuts the power.
    ///
    /// # Errors
    /// QEMU is missing, or the log cannot be written.
    pub fn start(&self) -> Result<Child, QemuError> {
        let log_path = self.dir.join("qemu.log");
        let log = File::options()
            .append(true)
            .create(true)
            .open(&log_path)
            .map_err(|source| QemuError::Log {
                path: log_path.clone(),
                source,
            })?;
        // An old socket of a machine whose power was cut.
        if let Err(error) = fs::remove_file(self.qmp())
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("ignoring: cannot remove {}: {error}", self.qmp().display());
        }
        // The machine dies with its supervisor, however that ends.
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|source| QemuError::Program {
                program: "setpriv",
                source,
            })
    }

    fn arguments(&self) -> Vec<String> {
        let spec = &self.spec;
        let mut list: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| list.extend(words.iter().map(|word| (*word).to_owned()));
        add(&[
            "-machine",
            "q35",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ]);
        add(&[
            "-m",
            &spec.memory_mib.to_string(),
            "-smp",
            &self.accel.processors(spec.cpus).to_string(),
        ]);
        add(&self.accel.arguments());
        let disk = match spec.record_writes {
            true => format!("nbd:unix:{}", self.dir.join(DISK_SOCKET).display()),
            false => self.disk().display().to_string(),
        };
        let disk = format!("if=none,id=disk,format=raw,cache=writeback,discard=unmap,file={disk}");
        add(&[
            "-drive",
            &disk,
            "-device",
            "virtio-blk-pci,drive=disk,bootindex=0",
        ]);
        let console = self.dir.join(CONSOLE_FILE);
        let console = format!("file,id=console,append=on,path={}", console.display());
        add(&["-chardev", &console, "-serial", "chardev:console"]);
        let qmp = format!("unix:{},server=on,wait=off", self.qmp().display());
        add(&["-qmp", &qmp]);
        let mut net = "user,id=net,ipv6=off".to_owned();
        for publish in &spec.publish {
            let (ip, port) = (publish.host.ip(), publish.host.port());
            net.push_str(&format!(",hostfwd=tcp:{ip}:{port}-:{}", publish.port));
        }
        add(&["-netdev", &net, "-device", "virtio-net-pci,netdev=net"]);
        add(&["-device", "virtio-rng-pci"]);
        for (name, path) in &spec.credentials {
            let entry = format!("name={CREDENTIAL_PREFIX}{name},file={}", path.display());
            add(&["-fw_cfg", &entry]);
        }
        list.extend(self.firmware.arguments());
        list.extend(spec.arguments.iter().cloned());
        list
    }
}

/// Copies an image without its holes, and without its data where the file system can share it.
fn copy_disk(image: &Path, copy: &Path) -> Result<(), QemuError> {
    let program = "cp";
    let output: Output = Command::new(program)
        .args(["--reflink=auto", "--sparse=always", "--"])
        .args([image, copy])
        .output()
        .map_err(|source| QemuError::Program { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(QemuError::Disk {
        path: copy.to_owned(),
        said,
    })
}
