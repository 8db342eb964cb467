//! containerd by its own `ctr`, with crun. It makes no networks: containers have that of the node, which spares it that work.

use super::engine::{Engine, Pull, name, ran, seconds};
use super::processes::{Process, proportional_mib};
use crate::Outcome;
use crate::answer::until;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const CONFIG: &str = "/etc/containerd-bench.toml";
const SOCKET: &str = "/run/containerd-bench.sock";

pub(crate) struct Containerd {
    image: String,
    daemon: Child,
}

fn ctr(arguments: &[&str]) -> Command {
    let mut command = Command::new("ctr");
    command.args(["--address", SOCKET]).args(arguments);
    command
}

/// Runs a command whose output the container's program keeps.
fn detached(command: &mut Command) -> Outcome<()> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?} failed: {status}").into()),
    }
}

impl Containerd {
    /// With its daemon, and the image in its store.
    pub(crate) fn new(image: &str) -> Outcome<Self> {
        let config = format!(
            "version = 2\nroot = \"/var/lib/containerd-bench\"\nstate = \"/run/containerd-bench\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{SOCKET}\"\n"
        );
        fs::write(CONFIG, config)?;
        let daemon = Command::new("containerd")
            .args(["--config", CONFIG])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let containerd = Self {
            image: image.to_owned(),
            daemon,
        };
        until(|| ran(&mut ctr(&["version"])))?;
        ran(&mut ctr(&["images", "pull", "--plain-http", image]))?;
        Ok(containerd)
    }

    /// Ends a container's program; `ctr` itself does not wait.
    fn end(number: u16) -> Outcome<()> {
        let name = name(number);
        ran(&mut ctr(&["task", "kill", "--signal", "SIGTERM", &name]))?;
        until(|| ran(&mut ctr(&["task", "rm", &name])))
    }
}

impl Engine for Containerd {
    fn run(&mut self, numbers: Range<u16>) -> Outcome<()> {
        for number in numbers {
            let listen = format!("APP_LISTEN=0.0.0.0:{number}");
            let mut command = ctr(&["run", "--detach", "--net-host", "--env", &listen]);
            // A namespace node has no controllers to set limits by.
            command.args(["--cpu-shares", "0", "--runc-binary", "/usr/bin/crun"]);
            command.args([&self.image, &name(number)]);
            detached(&mut command)?;
        }
        Ok(())
    }

    fn stop(&self, number: u16) -> Outcome<()> {
        Self::end(number)
    }

    fn start(&self, number: u16) -> Outcome<()> {
        detached(&mut ctr(&["task", "start", "--detach", &name(number)]))
    }

    fn remove(&mut self, numbers: Range<u16>) -> Outcome<()> {
        for number in numbers {
            Self::end(number)?;
            ran(&mut ctr(&["container", "rm", &name(number)]))?;
        }
        Ok(())
    }

    fn memory(&self) -> Outcome<f64> {
        proportional_mib(|name, _| name.starts_with("containerd"))
    }

    fn pull(&self, image: &str) -> Outcome<Pull> {
        let (daemon, own) = (Process(self.daemon.id()), Process(std::process::id()));
        let cpu = || -> Outcome<f64> { Ok(daemon.cpu_seconds()? + own.cpu_seconds_of_children()?) };
        daemon.reset_peak()?;
        let before = cpu()?;
        let begun = Instant::now();
        ran(&mut ctr(&["images", "pull", "--plain-http", image]))?;
        Ok(Pull {
            seconds: seconds(begun),
            cpu_seconds: cpu()? - before,
            peak_mib: daemon.peak_mib()?,
        })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if let Err(error) = self
            .daemon
            .kill()
            .and_then(|()| self.daemon.wait().map(drop))
        {
            eprintln!("ignoring: cannot stop containerd: {error}");
        }
        if let Err(error) = fs::remove_file(Path::new(SOCKET)) {
            eprintln!("ignoring that {SOCKET} stays: {error}");
        }
    }
}
