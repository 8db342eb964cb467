//! The demo's node, and `orlop` commands that are shown as they run.

use crate::Options;
use crate::report::quote;
use hyper::Method;
use orlop_api::Status;
use orlop_machines::http::ask_tcp;
use orlop_machines::{ApiAccess, RemoteNode, RemoteNodeSpec, make_disk};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

/// Port of the sample container, on the node.
pub(crate) const APP_PORT: u16 = 8080;
/// From power on to the first answer; emulation without KVM is slow.
const BOOT_DEADLINE: Duration = Duration::from_secs(240);
/// The longest a command may wait for its switch, seconds: three panicking boots and a good one.
const SWITCH_TIMEOUT: &str = "600";

/// The folder with the programs that were built with this one.
pub(crate) fn tools() -> Result<PathBuf, Box<dyn Error>> {
    let own = std::env::current_exe()?;
    Ok(own
        .parent()
        .ok_or("this program is in no folder")?
        .to_owned())
}

/// The node.
pub(crate) struct Node(RemoteNode);

impl Node {
    /// Makes the node's keys.
    pub(crate) fn keys(options: &Options) -> Result<ApiAccess, Box<dyn Error>> {
        let orlop = tools()?.join("orlop");
        Ok(ApiAccess::make(&orlop, &options.dir.join("pki"))?)
    }

    /// Makes a disk that boots version 1 with this TOML, and boots it.
    pub(crate) fn boot(
        options: &Options,
        access: ApiAccess,
        toml: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let (config, disk) = (options.dir.join("node.toml"), options.dir.join("disk.img"));
        fs::write(&config, toml)?;
        let tools = tools()?;
        make_disk(&tools, (&options.os, "1"), &config, &disk)?;
        let spec = RemoteNodeSpec {
            name: "demo",
            dir: &options.dir.canonicalize()?.join("machine"),
            disk: &disk.canonicalize()?,
            access,
            app_port: APP_PORT,
            credentials: BTreeMap::new(),
            record_writes: false,
            arguments: Vec::new(),
        };
        Ok(Self(RemoteNode::start(&tools, spec)?))
    }

    /// Waits until the console shows the API's fingerprint and the API answers.
    pub(crate) fn wait_ready(&self) -> Result<Status, Box<dyn Error>> {
        Ok(self.0.wait_ready(0, BOOT_DEADLINE)?)
    }

    /// Waits until the node's status is as wanted.
    pub(crate) fn wait_status(
        &self,
        what: &str,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, Box<dyn Error>> {
        Ok(self.0.wait_status(what, BOOT_DEADLINE, wanted)?)
    }

    /// `orlop status`.
    pub(crate) fn status(&self) -> Result<Status, Box<dyn Error>> {
        Ok(self.0.read(&["status"])?)
    }

    /// Runs `orlop` against the node and prints what it says; it has to end with this exit code.
    pub(crate) fn show(&self, arguments: &[&str], code: i32) -> Result<String, Box<dyn Error>> {
        println!("    $ orlop {}", arguments.join(" "));
        let said = self.0.orlop(arguments)?;
        let text = if said.out.is_empty() {
            said.talk
        } else {
            said.out
        };
        quote(&text);
        if said.code == Some(code) {
            return Ok(text);
        }
        let got = said
            .code
            .map_or("a signal".to_owned(), |code| code.to_string());
        let tail = self.0.machine().tail();
        Err(format!("expected exit code {code}, got {got}\n{tail}").into())
    }

    /// Asks the container from outside the machine, until it answers: right after a reboot the verdict
    /// is there before the container is.
    pub(crate) fn hello(&self, version: &str) -> Result<(), Box<dyn Error>> {
        let expected = format!("hello from {version}");
        let app = self.0.app();
        println!("    $ curl http://{app}/");
        let body = self
            .0
            .machine()
            .wait("the container's answer", BOOT_DEADLINE, || {
                let stream = TcpStream::connect(app).map_err(|error| error.to_string())?;
                let answer =
                    ask_tcp(stream, Method::GET, "/", "").map_err(|error| error.to_string())?;
                if answer.body.contains(&expected) {
                    Ok(answer.body)
                } else {
                    Err(answer.body)
                }
            })?;
        quote(&body);
        Ok(())
    }

    /// A switch, waited for to its verdict, also over reboots.
    pub(crate) fn switch(&self, arguments: &[&str], code: i32) -> Result<String, Box<dyn Error>> {
        let arguments = [arguments, &["--wait", "--timeout", SWITCH_TIMEOUT]].concat();
        self.show(&arguments, code)
    }
}
