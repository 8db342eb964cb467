//! Runs in a node: starts the prepared container `web` again and again, in several ways by turns.
//!
//! All ways have the same root file system, network namespace and OCI spec, those that the agent has
//! made; only the control group differs, since each has its own.

use crate::Outcome;
use crate::answer::wait_answer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Where the agent has prepared the container.
const PREPARED: &str = "/run/orlop/containers/web/config.json";
/// The addresses that the agent has given.
const LEASES: &str = "/state/orlop/leases.json";
/// The agent's unit of the container.
const ORLOP_UNIT: &str = "orlop-container-web.service";
/// This program's own folder.
const OWN: &str = "/run/orlop-bench";
/// The unit that runs crun and nothing else.
const CRUN_UNIT: &str = "orlop-bench-crun.service";
/// The unit that starts no container at all.
const IDLE_UNIT: &str = "orlop-bench-idle.service";
/// The container's name to crun.
const NAME: &str = "orlop-bench";
/// Where the container listens, in its network.
const PORT: u16 = 8080;

/// Options of the part that runs in a node.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// So many times each way takes its turn.
    #[arg(long)]
    rounds: u32,
}

/// A way of starting the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// `crun run --detach`, by itself.
    Crun,
    /// The same as the one command of a systemd unit.
    CrunInUnit,
    /// The unit that the agent wrote.
    Orlop,
    /// A unit that starts no container: what systemctl and systemd take by themselves.
    UnitAlone,
}

/// All of them, in the order of the tables.
pub(crate) const WAYS: [Way; 4] = [Way::Crun, Way::CrunInUnit, Way::Orlop, Way::UnitAlone];

/// One start.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) way: Way,
    /// Milliseconds until the command that starts it has ended.
    pub(crate) returned_ms: f64,
    /// Milliseconds until it answered a request; none where nothing listens.
    pub(crate) answered_ms: Option<f64>,
}

/// Prints a line of JSON for each start.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    prepare()?;
    let address = SocketAddr::new(address()?, PORT);
    systemctl("stop", ORLOP_UNIT)?;
    let ways = WAYS.len();
    for round in 0..options.rounds as usize {
        // Nobody is always the first, whose caches are cold.
        for turn in 0..ways {
            let start = WAYS[(round + turn) % ways].measure(address)?;
            println!("{}", serde_json::to_string(&start)?);
        }
    }
    systemctl("start", ORLOP_UNIT)
}

impl Way {
    fn measure(self, address: SocketAddr) -> Outcome<Start> {
        let begun = Instant::now();
        self.start()?;
        let returned_ms = millis(begun);
        let answered_ms = match self {
            Self::UnitAlone => None,
            _ => {
                wait_answer(address, "/")?;
                Some(millis(begun))
            }
        };
        self.stop()?;
        Ok(Start {
            way: self,
            returned_ms,
            answered_ms,
        })
    }

    fn start(self) -> Outcome<()> {
        match self {
            Self::Crun => ran(Command::new("crun").args(crun_run("bare"))),
            Self::CrunInUnit => systemctl("start", CRUN_UNIT),
            Self::Orlop => systemctl("start", ORLOP_UNIT),
            Self::UnitAlone => systemctl("start", IDLE_UNIT),
        }
    }

    fn stop(self) -> Outcome<()> {
        match self {
            Self::Crun => ran(Command::new("crun").args(crun_delete("bare"))),
            Self::CrunInUnit => systemctl("stop", CRUN_UNIT),
            Self::Orlop => systemctl("stop", ORLOP_UNIT),
            Self::UnitAlone => Ok(()),
        }
    }
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

fn crun_run(bundle: &str) -> Vec<String> {
    let dir = format!("{OWN}/{bundle}");
    let words = [
        &format!("--root={dir}/state"),
        "run",
        "--detach",
        &format!("--pid-file={dir}/pid"),
        &format!("--bundle={dir}"),
        NAME,
    ];
    words.map(str::to_owned).to_vec()
}

fn crun_delete(bundle: &str) -> Vec<String> {
    let words = [
        &format!("--root={OWN}/{bundle}/state"),
        "delete",
        "--force",
        NAME,
    ];
    words.map(str::to_owned).to_vec()
}

/// Makes the bundles and units of the other ways.
fn prepare() -> Outcome<()> {
    bundle("bare", "/orlop-bench")?;
    bundle("unit", &format!("/system.slice/{CRUN_UNIT}/payload"))?;
    let crun_unit = format!(
        "[Service]\nType=forking\nPIDFile={OWN}/unit/pid\nDelegate=yes\n\
         DelegateSubgroup=runtime\nExecStart=/usr/bin/crun {}\n\
         ExecStopPost=-/usr/bin/crun {}\n",
        crun_run("unit").join(" "),
        crun_delete("unit").join(" ")
    );
    // Without `RemainAfterExit=` it can be started again and again.
    let idle_unit = "[Service]\nType=oneshot\nExecStart=/usr/bin/crun --version\n";
    let units = Path::new("/run/systemd/system");
    fs::write(units.join(CRUN_UNIT), crun_unit)?;
    fs::write(units.join(IDLE_UNIT), idle_unit)?;
    ran(Command::new("systemctl").arg("daemon-reload"))
}

/// A copy of the agent's OCI spec that differs in the control group alone.
fn bundle(name: &str, cgroup: &str) -> Outcome<()> {
    let dir = Path::new(OWN).join(name);
    fs::create_dir_all(&dir)?;
    let mut spec: Value = serde_json::from_str(&fs::read_to_string(PREPARED)?)?;
    let path = spec
        .pointer_mut("/linux/cgroupsPath")
        .ok_or("the container's spec has no control group")?;
    *path = cgroup.into();
    Ok(fs::write(dir.join("config.json"), spec.to_string())?)
}

/// The address of the container `web` in its first network.
fn address() -> Outcome<IpAddr> {
    let leases: Value = serde_json::from_str(&fs::read_to_string(LEASES)?)?;
    let nets = leases["nets"]
        .as_object()
        .ok_or("no networks in the leases")?;
    let address = nets.values().find_map(|net| net["web"].as_str());
    Ok(address.ok_or("no address of web in the leases")?.parse()?)
}

fn systemctl(verb: &str, unit: &str) -> Outcome<()> {
    ran(Command::new("systemctl").args([verb, unit]))
}

/// Runs a program without its talk.
fn ran(command: &mut Command) -> Outcome<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {status}").into())
}
