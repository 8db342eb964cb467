//! The D-Bus interface on a real bus of its own.

use crate::node::MemoryNode;
use futures_util::StreamExt;
use orlop_api::{EventKind, Fault, FaultKind, Job, JobId, JobState, Operation, Phase};
use orlopd::front::{BUS_NAME, Bus, BusAddress, OBJECT_PATH};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Long enough for anything on this machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the repository says that the interface is.
const INTROSPECTION: &str = include_str!("../../dbus/io.orlop.Host1.xml");

/// Lets every user do everything, so that only the agent's own check is left.
const OPEN_POLICY: &str = "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\
                           <allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy>";
/// What matters of the system bus's own rules: method calls only where a service allows them.
const SYSTEM_POLICY: &str = "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/>\
                             <deny send_type=\"method_call\"/><allow send_type=\"signal\"/>\
                             <allow send_requested_reply=\"true\" send_type=\"method_return\"/>\
                             <allow send_requested_reply=\"true\" send_type=\"error\"/>\
                             <allow receive_type=\"method_call\"/>\
                             <allow receive_type=\"method_return\"/>\
                             <allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\
                             <allow send_destination=\"org.freedesktop.DBus\"/></policy>";
/// The image's policy for the agent.
const IMAGE_POLICY: &str = "../../buildroot/rootfs/usr/share/dbus-1/system.d/io.orlop.Host1.conf";

/// A call of every method that changes the node.
const CHANGES: [(&str, &[&str]); 12] = [
    ("ApplyToConfirm", &["t", "300"]),
    ("ApplyConfigToConfirm", &["st", "", "300"]),
    ("Confirm", &[]),
    ("Release", &["s", "d4"]),
    ("StopContainer", &["s", "web"]),
    ("StartContainer", &["s", "web"]),
    ("RestartContainer", &["s", "web"]),
    ("KillContainer", &["ss", "web", ""]),
    ("Stage", &["ss", "", ""]),
    ("Apply", &["sb", "", "true"]),
    ("RollBack", &["tsb", "0", "", "true"]),
    ("ApplyConfig", &["ssb", "", "", "true"]),
];

struct TestBus {
    dir: TempDir,
    daemon: Child,
}

impl TestBus {
    async fn new(policy: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        open_to_all(dir.path());
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\
             <busconfig><type>session</type><listen>unix:path={}</listen>\
             <auth>EXTERNAL</auth>{policy}</busconfig>",
            dir.path().join("bus").display()
        );
        std::fs::write(dir.path().join("bus.conf"), config).unwrap();
        let daemon = start_daemon(dir.path()).await;
        Self { dir, daemon }
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.dir.path().join("bus").display())
    }

    async fn restart(&mut self) {
        self.daemon.kill().await.unwrap();
        std::fs::remove_file(self.dir.path().join("bus")).unwrap();
        self.daemon = start_daemon(self.dir.path()).await;
    }

    async fn client(&self) -> zbus::Connection {
        zbus::connection::Builder::address(self.address().as_str())
            .build()
            .await
            .unwrap()
    }

    /// A bus with no rules but the agent's own, and the agent on it.
    async fn serve(node: MemoryNode) -> (Self, Arc<MemoryNode>, Bus) {
        Self::serve_under(OPEN_POLICY, node).await
    }

    async fn serve_under(policy: &str, node: MemoryNode) -> (Self, Arc<MemoryNode>, Bus) {
        let bus = Self::new(policy).await;
        let node = Arc::new(node);
        let served = Bus::start(Arc::clone(&node), BusAddress::At(bus.address()));
        bus.until_served().await;
        (bus, node, served)
    }

    async fn until_served(&self) {
        let served = async {
            let client = self.client().await;
            let proxy = zbus::fdo::DBusProxy::new(&client).await.unwrap();
            let mut changes = proxy.receive_name_owner_changed().await.unwrap();
            while !proxy
                .name_has_owner(BUS_NAME.try_into().unwrap())
                .await
                .unwrap()
            {
                changes.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, served)
            .await
            .expect("the agent joins the bus");
    }

    async fn busctl(&self, uid: u32, arguments: &[&str]) -> Output {
        Command::new("setpriv")
            .args([&format!("--reuid={uid}"), "--clear-groups", "busctl"])
            .arg(format!("--address={}", self.address()))
            .args(arguments)
            .output()
            .await
            .unwrap()
    }

    async fn call(&self, uid: u32, method: &str, arguments: &[&str]) -> Output {
        let mut all = vec!["call", BUS_NAME, OBJECT_PATH, BUS_NAME, method];
        all.extend(arguments);
        self.busctl(uid, &all).await
    }
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn start_daemon(dir: &Path) -> Child {
    let mut daemon = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", dir.join("bus.conf").display()))
        .args(["--nofork", "--print-address"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // It prints its address once it listens.
    let mut address = String::new();
    BufReader::new(daemon.stdout.take().unwrap())
        .read_line(&mut address)
        .await
        .unwrap();
    daemon
}

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn root_reads_and_changes() {
    let (bus, node, _served) = TestBus::serve(MemoryNode::default()).await;
    assert!(stdout(&bus.call(0, "Status", &[]).await).contains("edge-17"));
    assert!(stdout(&bus.call(0, "Generations", &[]).await).contains("first boot"));
    assert_eq!(
        stdout(&bus.call(0, "Stage", &["ss", "os:2", ""]).await),
        "t 4\n"
    );
    assert_eq!(
        stdout(&bus.call(0, "Apply", &["sb", "", "false"]).await),
        "ts 4 \"\"\n"
    );
    assert_eq!(
        stdout(
            &bus.call(0, "RollBack", &["tsb", "0", "live", "false"])
                .await
        ),
        "ts 4 \"\"\n"
    );
    let plan = stdout(
        &bus.call(0, "ApplyConfig", &["ssb", "schema = 1", "reboot", "true"])
            .await,
    );
    assert_eq!(
        plan,
        "ts 0 \"1. replace container web\\n2. gate: container web\\n\"\n"
    );
    let unknown = stderr(&bus.call(0, "Apply", &["sb", "kexec", "false"]).await);
    assert!(
        unknown.contains("cannot switch by mode `kexec`"),
        "{unknown}"
    );
    assert_eq!(
        *node.asked.lock().unwrap(),
        [
            "uid 0: stage StageRequest { os: Some(\"os:2\"), config: None }",
            "uid 0: apply ApplyRequest { mode: None, confirm_secs: None, dry_run: false }",
            "uid 0: roll back RollBackRequest { to: None, mode: Some(Live), dry_run: false }",
            "uid 0: apply config ApplyConfigRequest { config: \"schema = 1\", mode: Some(Reboot), confirm_secs: None, dry_run: true }",
        ]
    );
}

#[tokio::test]
async fn containers_are_listed_and_ordered_about() {
    let (bus, node, _served) = TestBus::serve(MemoryNode::default()).await;
    assert!(stdout(&bus.call(0, "Containers", &[]).await).contains("web"));
    for (method, arguments, answer) in [
        (
            "ContainerState",
            &["s", "db"][..],
            "sss \"running\" \"none\" \"\"\n",
        ),
        ("StopContainer", &["s", "web"], "s \"stopped\"\n"),
        ("StartContainer", &["s", "web"], "s \"running\"\n"),
        ("RestartContainer", &["s", "web"], "s \"running\"\n"),
        ("KillContainer", &["ss", "web", ""], "s \"running\"\n"),
        ("KillContainer", &["ss", "web", "hup"], "s \"running\"\n"),
    ] {
        let said = stdout(&bus.call(0, method, arguments).await);
        assert_eq!(said, answer, "{method}");
    }
    for (method, arguments, words) in [
        (
            "StopContainer",
            &["s", "wep"][..],
            "cannot find container wep",
        ),
        ("ContainerState", &["s", "wep"], "cannot find container wep"),
        ("KillContainer", &["ss", "web", "x"], "cannot send \"x\""),
    ] {
        let refused = stderr(&bus.call(0, method, arguments).await);
        assert!(refused.contains(words), "{method}: {refused}");
    }
    assert_eq!(
        *node.asked.lock().unwrap(),
        [
            "uid 0: stop web",
            "uid 0: start web",
            "uid 0: restart web",
            "uid 0: kill with SIGKILL web",
            "uid 0: kill with SIGHUP web",
            "uid 0: stop wep",
        ]
    );
}

#[tokio::test]
async fn an_unprivileged_caller_reads_and_is_refused_every_change() {
    let (bus, node, _served) = TestBus::serve(MemoryNode::default()).await;
    assert!(stdout(&bus.call(65534, "Status", &[]).await).contains("edge-17"));
    for (method, arguments) in CHANGES {
        let refused = stderr(&bus.call(65534, method, arguments).await);
        assert!(
            refused
                .contains("cannot let uid 65534 do this: only root and members of group orlop may"),
            "{method}: {refused}"
        );
    }
    assert!(node.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_images_bus_policy_lets_others_look_and_root_do_everything() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(IMAGE_POLICY);
    let policy = format!("{SYSTEM_POLICY}<include>{}</include>", file.display());
    let (bus, node, _served) = TestBus::serve_under(&policy, MemoryNode::default()).await;
    for look in ["Status", "Generations", "Containers"] {
        assert!(
            stdout(&bus.call(65534, look, &[]).await).contains("registry.example.com"),
            "{look}"
        );
    }
    let state = bus.call(65534, "ContainerState", &["s", "web"]).await;
    assert!(stdout(&state).starts_with("sss \"running\""));
    let state = ["get-property", BUS_NAME, OBJECT_PATH, BUS_NAME, "State"];
    assert_eq!(stdout(&bus.busctl(65534, &state).await), "s \"trial\"\n");
    for (method, arguments) in CHANGES {
        let refused = stderr(&bus.call(65534, method, arguments).await);
        assert!(
            refused.contains("Access denied") || refused.contains("rejected"),
            "{refused}"
        );
    }
    assert!(node.asked.lock().unwrap().is_empty());
    assert_eq!(
        stdout(&bus.call(0, "Apply", &["sb", "", "false"]).await),
        "ts 4 \"\"\n"
    );
}

#[tokio::test]
async fn a_fault_is_an_error_named_by_its_kind() {
    let fault = Fault::new(FaultKind::Refused, "cannot stage: job 3 runs").hint("wait for it");
    let (bus, _node, _served) = TestBus::serve(MemoryNode::failing(fault)).await;
    let client = bus.client().await;
    let error = client
        .call_method(
            Some(BUS_NAME),
            OBJECT_PATH,
            Some(BUS_NAME),
            "Stage",
            &("", ""),
        )
        .await
        .unwrap_err();
    let zbus::Error::MethodError(name, text, _) = error else {
        panic!("{error}")
    };
    assert_eq!(name.as_str(), "io.orlop.Error.Refused");
    assert_eq!(
        text.as_deref(),
        Some("cannot stage: job 3 runs\nhint: wait for it")
    );
}

#[zbus::proxy(
    interface = "io.orlop.Host1",
    default_service = "io.orlop.Host1",
    default_path = "/io/orlop/Host1"
)]
trait Host {
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn progress(&self, job: u64, step: &str, done: u64, total: u64) -> zbus::Result<()>;
    #[zbus(signal, name = "StateChanged")]
    fn phase_changed(&self, phase: &str) -> zbus::Result<()>;
}

#[tokio::test]
async fn signals_tell_phase_and_progress() {
    let (bus, node, _served) = TestBus::serve(MemoryNode::default()).await;
    let client = bus.client().await;
    let host = HostProxy::new(&client).await.unwrap();
    assert_eq!(host.state().await.unwrap(), "trial");
    let mut states = host.receive_state_changed().await;
    assert_eq!(states.next().await.unwrap().get().await.unwrap(), "trial");
    let mut phases = host.receive_phase_changed().await.unwrap();
    let mut progress = host.receive_progress().await.unwrap();
    let relayed = async {
        while node.readers.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, relayed).await.unwrap();

    *node.phase.lock().unwrap() = Phase::Idle;
    node.happen(EventKind::Phase { phase: Phase::Idle });
    let signal = tokio::time::timeout(PATIENCE, phases.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*signal.args().unwrap().phase(), "idle");
    let state = tokio::time::timeout(PATIENCE, states.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.get().await.unwrap(), "idle");

    let job = Job {
        id: JobId(6),
        operation: Operation::Stage,
        caller: "uid 0".to_owned(),
        state: JobState::Running {
            progress: orlop_api::Progress {
                step: "fetching".to_owned(),
                done: 1,
                total: None,
            },
        },
    };
    node.happen(EventKind::Job { job });
    let signal = tokio::time::timeout(PATIENCE, progress.next())
        .await
        .unwrap()
        .unwrap();
    let args = signal.args().unwrap();
    assert_eq!(
        (*args.job(), *args.step(), *args.done(), *args.total()),
        (6, "fetching", 1, 0)
    );
}

#[tokio::test]
async fn the_agent_comes_back_when_the_bus_restarts() {
    let (mut bus, _node, _served) = TestBus::serve(MemoryNode::default()).await;
    bus.restart().await;
    bus.until_served().await;
    assert!(stdout(&bus.call(0, "Status", &[]).await).contains("edge-17"));
}

/// The interface's element, without the indentation that depends on where it stands.
fn interface_of(xml: &str) -> String {
    let start = xml
        .find("<interface name=\"io.orlop.Host1\">")
        .expect("the interface is there");
    let end = xml[start..].find("</interface>").expect("it ends") + start;
    xml[start..end]
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn the_introspection_file_is_what_the_agent_answers() {
    let (bus, _node, _served) = TestBus::serve(MemoryNode::default()).await;
    let client = bus.client().await;
    let introspectable = "org.freedesktop.DBus.Introspectable";
    let answer = client
        .call_method(
            Some(BUS_NAME),
            OBJECT_PATH,
            Some(introspectable),
            "Introspect",
            &(),
        )
        .await
        .unwrap();
    let answered: String = answer.body().deserialize().unwrap();
    assert_eq!(
        interface_of(INTROSPECTION),
        interface_of(&answered),
        "agent/daemon/dbus/io.orlop.Host1.xml is behind; the agent answers:\n{answered}"
    );
    assert!(
        stdout(&bus.busctl(0, &["introspect", BUS_NAME, OBJECT_PATH]).await).contains(".RollBack")
    );
}
