//! podman with its defaults: crun, systemd's control groups, a network with names.

use super::engine::{Engine, Pull, name, ran, seconds};
use super::processes::{Process, proportional_mib, watching_children};
use crate::Outcome;
use std::ops::Range;
use std::process::Command;
use std::thread;
use std::time::Instant;

/// Processes that it keeps for containers.
const KEPT: [&str; 4] = ["conmon", "aardvark-dns", "netavark", "podman"];
/// Commands at once, of which many containers are made.
const AT_ONCE: usize = 4;
const NETWORK: &str = "bench";
/// Not one that Orlop takes for its networks.
const SUBNET: &str = "10.99.0.0/24";

pub(crate) struct Podman {
    image: String,
}

fn podman(arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    command.args(arguments);
    command
}

impl Podman {
    /// With a network, and the image in its store.
    pub(crate) fn new(image: &str) -> Outcome<Self> {
        ran(&mut podman(&[
            "network", "create", "--subnet", SUBNET, NETWORK,
        ]))?;
        ran(&mut podman(&[
            "pull",
            "--quiet",
            "--tls-verify=false",
            image,
        ]))?;
        let image = image.to_owned();
        Ok(Self { image })
    }

    fn make(&self, number: u16) -> Outcome<()> {
        let (name, port) = (name(number), format!("{number}:8080"));
        let mut command = podman(&["run", "--detach", "--name", &name, "--network", NETWORK]);
        // A namespace node has no controllers to set limits by.
        command.args(["--pids-limit", "0", "--publish", &port, &self.image]);
        ran(&mut command)
    }
}

impl Engine for Podman {
    fn run(&mut self, numbers: Range<u16>) -> Outcome<()> {
        let numbers: Vec<u16> = numbers.collect();
        let share = numbers.len().div_ceil(AT_ONCE).max(1);
        thread::scope(|scope| {
            let make = |numbers: &'_ [u16]| {
                let made = numbers.iter().try_for_each(|number| self.make(*number));
                made.map_err(|error| error.to_string())
            };
            let workers: Vec<_> = numbers
                .chunks(share)
                .map(|numbers| scope.spawn(move || make(numbers)))
                .collect();
            for worker in workers {
                worker.join().map_err(|_| "a worker failed")??;
            }
            Ok(())
        })
    }

    fn stop(&self, number: u16) -> Outcome<()> {
        ran(&mut podman(&["stop", &name(number)]))
    }

    fn start(&self, number: u16) -> Outcome<()> {
        ran(&mut podman(&["start", &name(number)]))
    }

    fn remove(&mut self, _numbers: Range<u16>) -> Outcome<()> {
        // As stop and remove: SIGTERM first.
        ran(&mut podman(&["rm", "--force", "--all"]))
    }

    fn memory(&self) -> Outcome<f64> {
        proportional_mib(|name, groups| KEPT.contains(&name) && !groups.contains("/orlop"))
    }

    fn pull(&self, image: &str) -> Outcome<Pull> {
        let own = Process(std::process::id());
        let before = own.cpu_seconds_of_children()?;
        let begun = Instant::now();
        let pull = || {
            ran(&mut podman(&[
                "pull",
                "--quiet",
                "--tls-verify=false",
                image,
            ]))
        };
        let ((), peak_mib) = watching_children(pull)?;
        Ok(Pull {
            seconds: seconds(begun),
            cpu_seconds: own.cpu_seconds_of_children()? - before,
            peak_mib,
        })
    }
}
