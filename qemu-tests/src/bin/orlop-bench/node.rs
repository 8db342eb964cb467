//! A namespace node under measurement.

use crate::Outcome;
use crate::memory::AgentProcess;
use crate::rig::{FIRST, Rig, program};
use hyper::Method;
use orlop_api::{Answer, GenerationStatus, JobId, JobState, Phase, Status, Why};
use orlop_machines::http::ask_tcp;
use orlop_machines::{
    ApiClient, Life, Machine, MachineKind, MachineSpec, NamespaceSpec, RootSource, node_dir,
};
use serde::Serialize;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For anything that is waited for, on a host with all its processors busy.
const DEADLINE: Duration = Duration::from_secs(240);
/// The node's interface.
const INTERFACE: &str = "eth0:";

/// A node.
pub(crate) struct Node<'a> {
    machine: Machine,
    rig: &'a Rig,
    address: Ipv4Addr,
    state: PathBuf,
}

impl<'a> Node<'a> {
    /// Makes a node's folders; nothing runs yet.
    pub(crate) fn boot(rig: &'a Rig, number: u32) -> Outcome<(Self, Instant)> {
        Self::boot_with(rig, number, &rig.config())
    }

    /// The same with another TOML.
    pub(crate) fn boot_with(rig: &'a Rig, number: u32, config: &str) -> Outcome<(Self, Instant)> {
        let name = format!("bench-{number}");
        let dir = rig.scratch.path().join(&name);
        let disk = node_dir::from_layout(&rig.os, Some(FIRST), config, &dir)?;
        let (lan, state) = (rig.lan.port()?, disk.state.clone());
        let address = lan.address;
        let namespace = NamespaceSpec {
            root: RootSource::Node(disk),
            lan: Some(lan),
            publish: Vec::new(),
            reach: vec![rig.registry.address().port()],
        };
        let spec = MachineSpec {
            name,
            dir,
            life: Life::Tethered,
            kind: MachineKind::Namespace(namespace),
        };
        let begun = Instant::now();
        let machine = Machine::start(&program("orlop-machine")?, &spec)?;
        let node = Self {
            machine,
            rig,
            address,
            state,
        };
        Ok((node, begun))
    }

    pub(crate) fn api(&self) -> ApiClient<'_> {
        ApiClient::of(&self.machine)
    }

    /// Where the node's `/state` is on the host.
    pub(crate) fn state(&self) -> &PathBuf {
        &self.state
    }

    /// Its address in the network.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Waits for the agent's first answer.
    pub(crate) fn wait_ready(&self) -> Outcome<()> {
        self.api().wait_ready(DEADLINE)?;
        Ok(())
    }

    /// Waits until a good generation runs and nothing is under way.
    pub(crate) fn wait_settled(&self, generation: Option<u64>) -> Outcome<Status> {
        let settled = |status: &Status| {
            status.phase == Phase::Idle
                && status.current.as_ref().is_some_and(|current| {
                    current.status == GenerationStatus::Good
                        && generation.is_none_or(|wanted| current.id == wanted)
                })
        };
        Ok(self
            .api()
            .wait_status("a settled node", DEADLINE, settled)?)
    }

    /// Waits until the node's status is as wanted.
    pub(crate) fn wait_status(
        &self,
        what: &str,
        wanted: impl Fn(&Status) -> bool,
    ) -> Outcome<Status> {
        Ok(self.api().wait_status(what, DEADLINE, wanted)?)
    }

    /// Waits until a port of the node answers from outside.
    pub(crate) fn wait_port(&self, port: u16) -> Outcome<()> {
        self.machine
            .wait("an answer of a container", DEADLINE, || {
                let stream = self.rig.lan.connect((self.address, port).into());
                match stream.and_then(|stream| ask_tcp(stream, Method::GET, "/healthz", "")) {
                    Ok(answer) if answer.status.is_success() => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })?;
        Ok(())
    }

    /// Starts a job.
    pub(crate) fn start(&self, path: &str, request: &impl Serialize) -> Outcome<JobId> {
        match self.api().post(path, request)? {
            Answer::Job(id) => Ok(id),
            Answer::Plan(plan) => Err(format!("{path} answered with a plan: {plan}").into()),
        }
    }

    /// Waits until a job has ended well; the generation that came of it.
    pub(crate) fn finish(&self, id: JobId) -> Outcome<u64> {
        match self.api().wait_job(id, DEADLINE)?.state {
            JobState::Done {
                generation: Some(generation),
                ..
            } => Ok(generation),
            other => Err(format!("a job ended as {other:?}\n{}", self.machine.tail()).into()),
        }
    }

    /// Waits until a generation has its verdict, which must be good.
    pub(crate) fn wait_committed(&self, generation: u64) -> Outcome<()> {
        let verdict = self.machine.wait("the verdict", DEADLINE, || {
            let why: Why = self
                .api()
                .get("/v1/why")
                .map_err(|error| error.to_string())?;
            match why.verdict {
                Some(verdict) if verdict.generation == generation => Ok(verdict),
                other => Err(format!("{other:?}")),
            }
        })?;
        if verdict.good {
            return Ok(());
        }
        Err(format!("generation {generation} was not kept: {}", verdict.trigger).into())
    }

    /// Shuts the node down and boots it again; when its power came back.
    pub(crate) fn reboot_cold(&self) -> Outcome<Instant> {
        self.machine.power_off(DEADLINE)?;
        let begun = Instant::now();
        self.machine.power_on()?;
        Ok(begun)
    }

    /// What a program of the node prints; it must end well.
    pub(crate) fn run(&self, command: &[&str]) -> Outcome<String> {
        let output = self.machine.exec(command)?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{} failed: {}", command.join(" "), said.trim()).into())
    }

    /// A property of a unit, or of systemd itself.
    pub(crate) fn property(&self, unit: Option<&str>, name: &str) -> Outcome<String> {
        let mut command = vec!["systemctl", "show", "--value", "--property", name];
        command.extend(unit);
        Ok(self.run(&command)?.trim().to_owned())
    }

    fn init(&self) -> Outcome<i32> {
        let init = self.machine.status()?.init;
        init.ok_or_else(|| "the node is off".into())
    }

    pub(crate) fn agent(&self) -> Outcome<AgentProcess> {
        let pid = self.property(Some("orlopd.service"), "MainPID")?;
        Ok(AgentProcess::new(self.init()?, &pid))
    }

    /// Bytes that the node has received over its network since it booted.
    pub(crate) fn received_bytes(&self) -> Outcome<u64> {
        let devices = fs::read_to_string(format!("/proc/{}/net/dev", self.init()?))?;
        let line = devices
            .lines()
            .find_map(|line| line.trim().strip_prefix(INTERFACE));
        let bytes = line.and_then(|line| line.split_whitespace().next());
        Ok(bytes.ok_or("the node has no network")?.parse()?)
    }
}
