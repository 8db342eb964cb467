//! The demo's node: a QEMU machine, the registry that it pulls from, and the `orlop` command that
//! talks to it over TLS.

use crate::Options;
use crate::report::quote;
use orlop_api::Status;
use orlop_machines::qemu::QemuSpec;
use orlop_machines::{
    API_PORT, ApiAccess, Life, Machine, MachineKind, MachineSpec, Publish, fingerprint, free_port,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Port of the sample container, on the node.
pub(crate) const APP_PORT: u16 = 8080;
/// The host, as a QEMU machine sees it.
const HOST: &str = "10.0.2.2";
/// From power on to the first answer; emulation without KVM is slow.
const BOOT_DEADLINE: Duration = Duration::from_secs(240);
/// The longest a command may wait for its switch, seconds: three panicking boots and a good one.
const SWITCH_TIMEOUT: &str = "600";

/// A program that was built with this one.
fn program(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Runs a program to its end; what it printed, or what it complained about.
fn run(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{name} failed ({}): {}", output.status, said.trim()).into())
}

/// `orlop-image serve`, until it goes.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(options: &Options) -> Result<Self, Box<dyn Error>> {
        let repository = |name: &str, dir: &Path| format!("{name}={}", dir.display());
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program("orlop-image")?)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .arg(repository("orlop/os", &options.os))
            .arg(repository("demo/app", &options.app))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child
            .stdout
            .take()
            .ok_or("no pipe from orlop-image serve")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().trim_start_matches("http://");
        let port = address
            .parse::<SocketAddr>()
            .map_err(|_| "orlop-image serve did not start")?;
        Ok(Self {
            child,
            port: port.port(),
        })
    }

    /// How the node names a repository.
    pub(crate) fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{HOST}:{}/{repository}:{tag}", self.port)
    }

    /// The `[registry]` table that lets the node pull from here without TLS.
    pub(crate) fn toml(&self) -> String {
        format!("[registry.\"{HOST}:{}\"]\nplain_http = true\n", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            eprintln!("ignoring: cannot stop orlop-image serve: {error}");
        }
    }
}

/// What came of an `orlop` command.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
}

/// The node.
pub(crate) struct Node {
    machine: Machine,
    access: ApiAccess,
    api: SocketAddr,
    pub(crate) app: SocketAddr,
    fingerprint: Option<String>,
}

impl Node {
    /// Makes the node's keys.
    pub(crate) fn keys(dir: &Path) -> Result<ApiAccess, Box<dyn Error>> {
        Ok(ApiAccess::make(&program("orlop")?, &dir.join("pki"))?)
    }

    /// Makes a disk that boots version 1 with this TOML, and boots it.
    pub(crate) fn boot(
        options: &Options,
        access: ApiAccess,
        toml: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let (config, disk) = (options.dir.join("node.toml"), options.dir.join("disk.img"));
        fs::write(&config, toml)?;
        run(Command::new(program("orlop-image")?)
            .args(["disk", "--image"])
            .arg(format!("{}:1", options.os.canonicalize()?.display()))
            .arg("--output")
            .arg(&disk)
            .arg("--config")
            .arg(&config))?;
        let (api, app) = (free_port()?, free_port()?);
        let publish = vec![
            Publish {
                host: api,
                port: API_PORT,
            },
            Publish {
                host: app,
                port: APP_PORT,
            },
        ];
        let spec = MachineSpec {
            name: "demo".to_owned(),
            dir: options.dir.canonicalize()?.join("machine"),
            life: Life::Tethered,
            kind: MachineKind::Qemu(QemuSpec {
                disk: disk.canonicalize()?,
                memory_mib: 1024,
                cpus: 2,
                publish,
                credentials: BTreeMap::new(),
                arguments: Vec::new(),
            }),
        };
        let machine = Machine::start(&program("orlop-machine")?, &spec)?;
        Ok(Self {
            machine,
            access,
            api,
            app,
            fingerprint: None,
        })
    }

    /// Waits until the console shows the API's fingerprint and the API answers.
    pub(crate) fn wait_ready(&mut self) -> Result<Status, Box<dyn Error>> {
        let seen = self.machine.wait(
            "the API's fingerprint on the console",
            BOOT_DEADLINE,
            || {
                fingerprint(&self.machine.console())
                    .map(str::to_owned)
                    .ok_or_else(String::new)
            },
        )?;
        self.fingerprint = Some(seen);
        self.wait_status("the API", |_| true)
    }

    /// Waits until the node's status is as wanted.
    pub(crate) fn wait_status(
        &self,
        what: &str,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, Box<dyn Error>> {
        let status = self.machine.wait(what, BOOT_DEADLINE, || {
            let status = self.status().map_err(|error| error.to_string())?;
            let last = format!("{:?}, problems: {:?}", status.phase, status.problems);
            if wanted(&status) {
                Ok(status)
            } else {
                Err(last)
            }
        })?;
        Ok(status)
    }

    /// `orlop status`.
    pub(crate) fn status(&self) -> Result<Status, Box<dyn Error>> {
        let said = self.orlop(&["--json", "status"])?;
        Ok(serde_json::from_str(&said.out).map_err(|error| format!("{error}: {}", said.out))?)
    }

    /// Runs `orlop` on this host against the node.
    pub(crate) fn orlop(&self, arguments: &[&str]) -> Result<Said, Box<dyn Error>> {
        let output = Command::new(program("orlop")?)
            .args(arguments)
            .envs(
                self.access
                    .environment(self.api.port(), &self.machine.console()),
            )
            .stdin(Stdio::null())
            .output()?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let talk = String::from_utf8_lossy(&output.stderr);
        Ok(Said {
            code: output.status.code(),
            out: if out.is_empty() {
                talk.into_owned()
            } else {
                out
            },
        })
    }

    /// The same, printed, with the exit code that it has to have.
    pub(crate) fn show(&self, arguments: &[&str], code: i32) -> Result<String, Box<dyn Error>> {
        println!("    $ orlop {}", arguments.join(" "));
        let said = self.orlop(arguments)?;
        quote(&said.out);
        if said.code == Some(code) {
            return Ok(said.out);
        }
        let got = said
            .code
            .map_or("a signal".to_owned(), |code| code.to_string());
        Err(format!(
            "expected exit code {code}, got {got}\n{}",
            self.machine.tail()
        )
        .into())
    }

    /// A switch, waited for to its verdict, also over reboots.
    pub(crate) fn switch(&self, arguments: &[&str], code: i32) -> Result<String, Box<dyn Error>> {
        let arguments = [arguments, &["--wait", "--timeout", SWITCH_TIMEOUT]].concat();
        self.show(&arguments, code)
    }
}
