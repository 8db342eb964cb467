//! QEMU nodes of the real OS image on a real disk, driven by `orlop` over TLS.

use super::node::os_layout;
use hyper::Method;
use orlop_api::{GenerationStatus, Phase, Status};
use orlop_machines::http::{Answer, ask_tcp};
use orlop_machines::layout::ImageFile;
use orlop_machines::{
    ApiAccess, ImageServer, RemoteNode, RemoteNodeSpec, Sample, Scratch, error_text, make_disk,
    write_samples_with,
};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// For a boot through firmware, boot loader and kernel until the agent answers, emulated on a host
/// with all its processors busy.
pub(crate) const BOOT: Duration = Duration::from_secs(240);
/// For a switch: an orderly shutdown, three boots that panic, a good one, its containers and a gate.
pub(crate) const SWITCH: Duration = Duration::from_secs(480);
/// Port of the container `web` on the node.
const WEB: u16 = 8080;
/// Length of [`payload`] in bytes.
const PAYLOAD_BYTES: usize = 64 << 10;

/// Images for nodes, and keys to drive them.
pub(crate) struct QemuRig {
    server: ImageServer,
    access: ApiAccess,
    /// Files of the host that nodes get as credentials.
    pub(crate) credentials: BTreeMap<String, PathBuf>,
    // Last: machines and server are gone before their folders.
    scratch: Scratch,
}

impl QemuRig {
    /// A server of the OS images of the build and of `test/app:1`, whose file `/payload` is
    /// [`payload`].
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with layouts under further names.
    pub(crate) fn with(more: &[(&str, &Path)]) -> Self {
        let scratch = Scratch::new().unwrap();
        let layout = scratch.path().join("samples");
        let sample = Sample {
            version: "1",
            sick: false,
        };
        let file = ImageFile {
            path: "payload".to_owned(),
            mode: 0o644,
            content: payload().into_bytes(),
        };
        let app = tools().join("orlop-test-app");
        write_samples_with(&layout, &app, &[sample], &[file]).unwrap();
        let os = os_layout();
        let images = [("orlop/os", os.as_path()), ("test/app", layout.as_path())];
        let server = ImageServer::start(tools(), &[&images[..], more].concat());
        let access = ApiAccess::make(&tools().join("orlop"), &scratch.path().join("pki"));
        Self {
            server: server.unwrap_or_else(|error| panic!("{}", error_text(&error))),
            credentials: BTreeMap::new(),
            access: access.unwrap_or_else(|error| panic!("{}", error_text(&error))),
            scratch,
        }
    }

    /// How a node names an OS image of the build.
    pub(crate) fn os(&self, tag: &str) -> String {
        self.server.reference("orlop/os", tag)
    }

    /// How a node names any image of the server.
    pub(crate) fn image(&self, repository: &str, tag: &str) -> String {
        self.server.reference(repository, tag)
    }

    /// What a TOML needs besides for the server and the keys.
    pub(crate) fn access_toml(&self) -> String {
        format!("{}\n{}", self.server.toml(), self.access.toml().unwrap())
    }

    /// A scratch file of the test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Makes a disk that boots version 1 with one container, `web`, and a quick gate.
    pub(crate) fn disk(&self) -> PathBuf {
        self.disk_with("")
    }

    /// The same with more of a TOML.
    pub(crate) fn disk_with(&self, more: &str) -> PathBuf {
        self.disk_of(&(self.config() + "\n" + more))
    }

    /// The same with a volume into which `web` counts, at `/data/counts`.
    pub(crate) fn disk_with_counter(&self) -> PathBuf {
        let counting = "env = { APP_COUNT_TO = \"/data/counts\" }\nvolumes = [\"counts:/data\"]\n";
        self.disk_of(&format!(
            "{}\n[volume.counts]\n",
            self.config_with(counting)
        ))
    }

    /// A TOML for the node, in which `web` has more `keys`, and `more` behind it.
    pub(crate) fn config_file_with(&self, keys: &str, more: &str) -> PathBuf {
        let file = self.path("more.toml");
        fs::write(&file, format!("{}\n{more}", self.config_with(keys))).unwrap();
        file
    }

    fn config_with(&self, keys: &str) -> String {
        self.config()
            .replacen("ports =", &format!("{keys}ports ="), 1)
    }

    fn disk_of(&self, config: &str) -> PathBuf {
        let (file, disk) = (self.path("node.toml"), self.path("disk.img"));
        fs::write(&file, config).unwrap();
        let config = file;
        make_disk(tools(), (&os_layout(), "1"), &config, &disk)
            .unwrap_or_else(|error| panic!("{}", error_text(&error)));
        disk
    }

    fn config(&self) -> String {
        format!(
            r#"schema = 1

[gate]
hold = "1s"
deadline = "120s"

[container.web]
image = "{}"
ports = ["{WEB}:8080"]
health = {{ http = ":8080/healthz", every = "1s", timeout = "5s", retries = 3, start = "60s" }}

{}
{}"#,
            self.server.reference("test/app", "1"),
            self.server.toml(),
            self.access.toml().unwrap()
        )
    }

    /// Boots a node from a disk of [`Self::disk`], and waits until generation 1 is good and its
    /// container answers.
    pub(crate) fn boot(&self, disk: &Path) -> Node {
        self.boot_with(disk, Vec::new())
    }

    /// The same with further arguments for QEMU.
    pub(crate) fn boot_with(&self, disk: &Path, arguments: Vec<String>) -> Node {
        let spec = RemoteNodeSpec {
            name: "node",
            dir: &self.path("node"),
            disk,
            access: self.access.clone(),
            app_port: WEB,
            credentials: self.credentials.clone(),
            record_writes: false,
            arguments,
        };
        let began = Instant::now();
        let node = RemoteNode::start(tools(), spec);
        let node = Node(node.unwrap_or_else(|error| panic!("{}", error_text(&error))));
        node.booted(0, began);
        let status = node.wait_idle();
        expect_good(&status, 1, "1");
        assert!(status.verity, "{status:?}");
        assert_eq!(status.problems, [""; 0]);
        assert_eq!(node.wait_web("/").body, "hello from 1\n");
        node
    }
}

/// The folder with the programs under test.
fn tools() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orlop-machine"))
        .parent()
        .unwrap()
}

/// 64 KiB of letters that are nowhere else on a disk.
pub(crate) fn payload() -> String {
    let mut random = Random(0x6f72_6c6f_7021);
    let letter = |_| char::from(b'a' + u8::try_from(random.below(26)).unwrap());
    (0..PAYLOAD_BYTES).map(letter).collect()
}

/// Random numbers that a seed repeats (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

/// Fails unless this generation runs, is good, and is of this OS version.
pub(crate) fn expect_good(status: &Status, id: u64, version: &str) {
    let current = status.current.as_ref().unwrap();
    assert_eq!((current.id, current.status), (id, GenerationStatus::Good));
    assert_eq!(current.os.version.as_deref(), Some(version));
}

/// The version that runs, which has to be 1 or 2, good, verified, and without problems.
pub(crate) fn expect_either(status: &Status) -> String {
    let current = status.current.as_ref().unwrap();
    let version = current.os.version.clone().unwrap();
    assert!(["1", "2"].contains(&&*version), "{status:?}");
    expect_good(status, current.id, &version);
    assert!(status.verity, "{status:?}");
    assert_eq!(status.problems, [""; 0]);
    version
}

/// A node in QEMU.
pub(crate) struct Node(pub(crate) RemoteNode);

impl Node {
    /// Powers it on, and waits until the agent answers.
    pub(crate) fn power_on(&self) -> Status {
        let (from, began) = (self.0.machine().console().len(), Instant::now());
        self.0.machine().power_on().unwrap();
        self.booted(from, began)
    }

    fn booted(&self, from: usize, began: Instant) -> Status {
        let status = self.0.wait_ready(from, BOOT);
        let status = status.unwrap_or_else(|error| panic!("{error}"));
        println!(
            "the API answers after {:.1} s",
            began.elapsed().as_secs_f32()
        );
        status
    }

    /// Waits until nothing is under way.
    pub(crate) fn wait_idle(&self) -> Status {
        self.wait_status("an idle node", |status| status.phase == Phase::Idle)
    }

    pub(crate) fn wait_status(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let status = self.0.wait_status(what, SWITCH, wanted);
        status.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `orlop` to its good end; what it printed.
    pub(crate) fn orlop(&self, arguments: &[&str]) -> String {
        let said = self.0.orlop(arguments).unwrap();
        let tail = || self.0.machine().tail();
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}\n{}", tail());
        said.out
    }

    /// Waits until the container `web` answers at all.
    pub(crate) fn wait_web(&self, path: &str) -> Answer {
        let what = "an answer of the container";
        let machine = self.0.machine();
        machine
            .wait(what, BOOT, || self.web(path).map_err(|e| e.to_string()))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// One request to the container `web`.
    fn web(&self, path: &str) -> io::Result<Answer> {
        self.send(Method::GET, path, "")
    }

    /// One request to whatever is published in its place.
    pub(crate) fn send(&self, method: Method, path: &str, body: &str) -> io::Result<Answer> {
        ask_tcp(TcpStream::connect(self.0.app())?, method, path, body)
    }

    /// Runs `orlop` for as long as the power is there; whether it came to its end.
    pub(crate) fn orlop_until(&self, arguments: &[&str], after: Duration) -> bool {
        let mut orlop = self.0.command(arguments).spawn().unwrap();
        // Not a wait for something to happen: the deadline is the moment of the cut.
        thread::sleep(after);
        let over = orlop.try_wait().unwrap().is_some();
        if !over {
            orlop.kill().unwrap();
            orlop.wait().unwrap();
        }
        over
    }
}

/// The environment variable that repeats what a run chose at random.
pub(crate) const SEED_VAR: &str = "ORLOP_TEST_SEED";

/// That of [`SEED_VAR`], or another one each time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var(SEED_VAR).ok();
    let given = given.map(|text| text.parse().expect("the seed is a number"));
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        now.as_secs()
    })
}
