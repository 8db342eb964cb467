//! Nodes of the real OS image, with a registry that has images of the sample app.

use hyper::Method;
use orlop_api::{Answer, Fault, Job, JobState, Phase, Status, Trigger, VerdictView, Why};
use orlop_config::Digest;
use orlop_machines::http::{self, ask_tcp};
use orlop_machines::layout::ImageFile;
use orlop_machines::{
    ApiClient, ApiError, Lan, Life, Machine, MachineKind, MachineSpec, NamespaceSpec, Registry,
    RootSource, Sample, Scratch, error_text, node_dir, write_samples, write_samples_with,
};
use serde::Serialize;
use serde_json::json;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For a boot until the agent answers, on a host with all its processors busy.
pub(crate) const READY: Duration = Duration::from_secs(120);
/// For a job that pulls an OS image.
pub(crate) const JOB: Duration = Duration::from_secs(240);
/// For a switch, a boot, and a gate; longer than the gate's deadline in [`Rig::config`].
pub(crate) const SWITCH: Duration = Duration::from_secs(240);
/// Where the container `web` is published on the node.
pub(crate) const WEB: u16 = 8080;

/// A registry and a network for nodes.
pub(crate) struct Rig {
    pub(crate) registry: Registry,
    /// Further ports of the host's loopback interface that nodes reach.
    pub(crate) also_reach: Vec<u16>,
    lan: Lan,
    // Last: machines and registry are gone before their folders.
    scratch: Scratch,
}

impl Rig {
    /// A registry with `test/app:1`, `test/app:2` and `test/app:sick`, and a network.
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new().unwrap();
        let layout = scratch.path().join("samples");
        let app = Path::new(env!("CARGO_BIN_EXE_orlop-test-app"));
        let sample = |version, sick| Sample { version, sick };
        let samples = [sample("1", false), sample("2", false), sample("sick", true)];
        write_samples(&layout, app, &samples).unwrap();
        let registry = Registry::start(&scratch.path().join("registry")).unwrap();
        for sample in &samples {
            registry.push(&layout, sample.version, "test/app").unwrap();
        }
        Self {
            registry,
            also_reach: Vec::new(),
            lan: Lan::new().unwrap(),
            scratch,
        }
    }

    /// Puts an OS image of the build into the registry.
    pub(crate) fn push_os(&self, tag: &str) {
        self.registry.push(&os_layout(), tag, "orlop/os").unwrap();
    }

    /// Lets `test/app:stable` stand for an app that has `which` in the file `/which`.
    pub(crate) fn push_stable(&self, which: &str, sick: bool) {
        let layout = self.dir(&format!("stable-{which}"));
        let app = Path::new(env!("CARGO_BIN_EXE_orlop-test-app"));
        let sample = Sample {
            version: "stable",
            sick,
        };
        let file = ImageFile {
            path: "which".to_owned(),
            mode: 0o644,
            content: which.as_bytes().to_vec(),
        };
        write_samples_with(&layout, app, &[sample], &[file]).unwrap();
        self.registry.push(&layout, "stable", "test/app").unwrap();
    }

    /// An image's name for a node.
    pub(crate) fn image(&self, repository_and_tag: &str) -> String {
        format!("{}/{repository_and_tag}", self.registry.name_for_machines())
    }

    /// The TOML of a node with one container, `web`, and a quick gate.
    pub(crate) fn config(&self, app: &str) -> String {
        let image = self.image(&format!("test/app:{app}"));
        let registry = self.registry.name_for_machines();
        format!(
            r#"schema = 1

[gate]
hold = "1s"
deadline = "20s"

[registry."{registry}"]
plain_http = true

[container.web]
image = "{image}"
ports = ["{WEB}:8080"]
health = {{ http = ":8080/healthz", every = "1s", timeout = "2s", retries = 2, start = "10s" }}
"#
        )
    }

    /// The folder of a node, whether it is there yet or not.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The file in which the registry keeps a blob.
    pub(crate) fn registry_blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = self.dir("registry/storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// Boots a node of the OS image `tag` of the build with this TOML.
    pub(crate) fn node(&self, name: &str, tag: &str, config: &str) -> Node<'_> {
        let dir = self.dir(name);
        let disk = node_dir::from_layout(&os_layout(), Some(tag), config, &dir);
        let disk = disk.unwrap_or_else(|error| panic!("{}", error_text(&error)));
        let state = disk.state.clone();
        let lan = self.lan.port().unwrap();
        let address = lan.address;
        let namespace = NamespaceSpec {
            root: RootSource::Node(disk),
            lan: Some(lan),
            publish: Vec::new(),
            reach: [&[self.registry.address().port()], &self.also_reach[..]].concat(),
        };
        let spec = MachineSpec {
            name: name.to_owned(),
            dir,
            life: Life::Tethered,
            kind: MachineKind::Namespace(namespace),
        };
        let machine = Machine::start(super::tree::program(), &spec);
        let machine = machine.unwrap_or_else(|error| panic!("{}", error_text(&error)));
        Node {
            machine,
            address,
            state,
            lan: &self.lan,
        }
    }
}

/// The layout of the build, with images `1`, `2` and so on.
pub(crate) fn os_layout() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/images/os");
    let layout = std::env::var_os("ORLOP_TEST_LAYOUT").map_or(built, PathBuf::from);
    layout.canonicalize().unwrap_or_else(|error| {
        panic!(
            "no OS images in {}: {error}; `make images` builds them",
            layout.display()
        )
    })
}

/// A node on a namespace machine.
pub(crate) struct Node<'a> {
    pub(crate) machine: Machine,
    address: Ipv4Addr,
    state: PathBuf,
    lan: &'a Lan,
}

impl Node<'_> {
    pub(crate) fn api(&self) -> ApiClient<'_> {
        ApiClient::of(&self.machine)
    }

    pub(crate) fn status(&self) -> Status {
        self.api().get("/v1/status").unwrap()
    }

    pub(crate) fn why(&self) -> Why {
        self.api().get("/v1/why").unwrap()
    }

    /// Waits until nothing is under way on the generation that runs.
    pub(crate) fn wait_idle(&self) -> Status {
        self.wait_status("an idle node", |status| status.phase == Phase::Idle)
    }

    /// Waits until nothing is under way and this generation runs. A status may tell the phase a moment
    /// before it tells what runs.
    pub(crate) fn wait_idle_on(&self, generation: u64) -> Status {
        self.wait_status("an idle node on the generation", |status| {
            let current = status.current.as_ref();
            status.phase == Phase::Idle && current.is_some_and(|view| view.id == generation)
        })
    }

    pub(crate) fn wait_status(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let status = self.api().wait_status(what, SWITCH, wanted);
        status.unwrap_or_else(|error| panic!("{error}\n{}", self.journal()))
    }

    /// Waits until the container `web` answers from outside of the machine.
    pub(crate) fn wait_web(&self, path: &str) -> String {
        let answer = self.machine.wait("an answer of the container", SWITCH, || {
            match self.web(path) {
                Ok(answer) if answer.status.is_success() => Ok(answer.body),
                other => Err(format!("{other:?}")),
            }
        });
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.journal()))
    }

    /// Its address in the network.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Does `work` in the network of the nodes.
    pub(crate) fn inside_lan<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.lan.inside(work).unwrap()
    }

    /// One request to the container `web`, from outside of the machine.
    pub(crate) fn web(&self, path: &str) -> io::Result<http::Answer> {
        ask_tcp(self.connect_web()?, Method::GET, path, "")
    }

    /// A connection to the container `web`, from outside of the machine.
    pub(crate) fn connect_web(&self) -> io::Result<TcpStream> {
        self.lan.connect((self.address, WEB).into())
    }

    /// A file of the state partition, as text.
    pub(crate) fn read_state(&self, path: &str) -> String {
        let path = self.state.join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// One request to what is published on a port of the node, from outside of the machine.
    pub(crate) fn ask(&self, port: u16, path: &str) -> io::Result<http::Answer> {
        self.send(port, Method::GET, path, "")
    }

    /// The same with another method and a body.
    pub(crate) fn send(
        &self,
        port: u16,
        method: Method,
        path: &str,
        body: &str,
    ) -> io::Result<http::Answer> {
        let stream = self.lan.connect((self.address, port).into())?;
        ask_tcp(stream, method, path, body)
    }

    /// Starts a job and waits for its good end.
    pub(crate) fn job(&self, path: &str, request: &impl Serialize) -> Job {
        let job = self.end_of(path, request);
        assert!(
            matches!(job.state, JobState::Done { .. }),
            "{job:?}\n{}",
            self.journal()
        );
        job
    }

    /// Starts a job and waits for its end, good or bad.
    pub(crate) fn end_of(&self, path: &str, request: &impl Serialize) -> Job {
        let answer = self.api().post::<Answer>(path, request);
        let Answer::Job(id) = answer.unwrap_or_else(|error| panic!("{}", error_text(&error)))
        else {
            panic!("{path} answered with a plan");
        };
        let job = self.api().wait_job(id, JOB);
        job.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Stages an OS image, and switches to it.
    pub(crate) fn update(&self, os: &str) {
        self.job("/v1/update/stage", &json!({ "os": os }));
        self.switch("/v1/update/apply", &json!({}));
    }

    /// Swaps live to the OS image `version`, which the gate keeps as this generation.
    pub(crate) fn swap_to(&self, rig: &Rig, version: &str, generation: u64) {
        self.update(&rig.image(&format!("orlop/os:{version}")));
        let verdict = self.wait_verdict(generation);
        assert_eq!(verdict.trigger, Trigger::Gate, "{verdict:?}");
        let status = self.wait_idle();
        assert_eq!(status.os_release.as_deref(), Some(version));
    }

    /// Starts a switch; the node may be gone before its job is seen to end.
    pub(crate) fn switch(&self, path: &str, request: &impl Serialize) {
        match self.api().post::<Answer>(path, request) {
            Ok(Answer::Job(_)) => {}
            other => panic!("{path}: {other:?}\n{}", self.journal()),
        }
    }

    /// Waits for the verdict over a generation.
    pub(crate) fn wait_verdict(&self, generation: u64) -> VerdictView {
        let verdict = self.machine.wait("the verdict", SWITCH, || {
            let why: Why = self
                .api()
                .get("/v1/why")
                .map_err(|error| error_text(&error))?;
            match &why.verdict {
                Some(verdict) if verdict.generation == generation => Ok(verdict.clone()),
                _ => Err(format!("{why:?}")),
            }
        });
        verdict.unwrap_or_else(|error| panic!("{error}\n{}", self.journal()))
    }

    pub(crate) fn fault(&self, path: &str, request: &impl Serialize) -> Fault {
        match self.api().post::<Answer>(path, request) {
            Err(ApiError::Fault(fault)) => fault,
            other => panic!("{path}: expected a fault, got {other:?}"),
        }
    }

    /// What a program of the image prints, which must end well.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        super::tree::run(&self.machine, command)
    }

    /// The agent's process, once it is another than `last`.
    pub(crate) fn wait_agent(&self, last: &str) -> String {
        let main_pid = ["systemctl", "show", "--value", "--property=MainPID"];
        let main_pid = [&main_pid[..], &["orlopd.service"]].concat();
        let agent = self.machine.wait("another agent", READY, || {
            let output = self.machine.exec(&main_pid);
            let output = output.map_err(|error| error_text(&error))?;
            let pid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            match pid.as_str() {
                "" | "0" => Err("none".to_owned()),
                now if now == last => Err(pid),
                _ => Ok(pid),
            }
        });
        agent.unwrap_or_else(|error| panic!("{error}\n{}", self.journal()))
    }

    /// Kills the agent, once it is another process than `last`; which it was.
    pub(crate) fn kill_agent(&self, last: &str) -> String {
        let pid = self.wait_agent(last);
        let kill = ["systemctl", "kill", "--signal=KILL", "--kill-whom=main"];
        self.run(&[&kill[..], &["orlopd.service"]].concat());
        pid
    }

    /// The end of the journal.
    pub(crate) fn journal(&self) -> String {
        let tail = ["journalctl", "--no-pager", "--lines=60", "--output=cat"];
        match self.machine.exec(&tail) {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => error_text(&error),
        }
    }
}
