//! A node with containers in networks of their own, and looks at who reaches whom.

use super::containers::{container, wait_answer};
use super::node::{Node, Rig, WEB};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Where `lone` is published.
pub(crate) const LONE: u16 = 8081;
/// The hardware address that `lone` asks for.
pub(crate) const LONE_MAC: &str = "02:42:0a:58:02:77";
/// Where `web` is published on the node's address in the network of the machines alone.
pub(crate) const BY_ADDRESS: u16 = 8083;
/// Where `web` is published for the node itself alone.
pub(crate) const BY_LOOPBACK: u16 = 8084;
/// Where two ports of `web` are published, of which the second answers.
pub(crate) const RANGE: u16 = 9000;
/// Where `web` answers datagrams.
pub(crate) const DATAGRAMS: u16 = 5353;
/// What the names of `db` are resolved to.
pub(crate) const DB: &str = "10.88.1.10\nfd00:88:1::10\n";
/// The guard looks every two seconds; this is for a host with all its processors busy.
pub(crate) const MENDED: Duration = Duration::from_secs(30);
/// For what must not happen: a packet that is dropped is not answered.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);

/// A network on the machines' own wire, and the keys of a container that is in it.
pub(crate) const WIRE: &str = r#"
[net.wire]
driver = "macvlan"
parent = "eth0"
subnet = "10.0.2.0/24"
gateway = "10.0.2.2"
"#;
pub(crate) const ON_WIRE: &str =
    "networks = { wire = { address = \"10.0.2.200\", mac = \"02:42:0a:00:02:c8\" } }";

/// `web` is in two networks, `db` in the first of them, `safe` in the second, which is internal, and
/// `lone` in another. `top` comes before all that.
pub(crate) fn config(rig: &Rig, top: &str) -> String {
    const LISTEN: &str = "env = { APP_LISTEN = \"[::]:8080\" }\n";
    let base = rig.config("1");
    let (head, web) = base.split_once("[container.web]\n").unwrap();
    let ports = format!(
        "\"{WEB}:8080\", \"10.0.2.15:{BY_ADDRESS}:8080\", \"127.0.0.1:{BY_LOOPBACK}:8080\", \
         \"{RANGE}-{}:8079-8080\", \"{DATAGRAMS}:8080/udp\"",
        RANGE + 1
    );
    let web = web.replace(&format!("\"{WEB}:8080\""), &ports);
    let db = "networks = { front = { address = \"10.88.1.10\", address6 = \"fd00:88:1::10\", \
              aliases = [\"data\", \"db.internal\"] } }";
    let lone =
        format!("networks = {{ back = {{ mac = \"{LONE_MAC}\" }} }}\nports = [\"{LONE}:8080\"]");
    let safe = "networks = [\"vault\"]";
    let more = [("db", db), ("lone", lone.as_str()), ("safe", safe)]
        .map(|(name, keys)| container(rig, name, &format!("{LISTEN}{keys}")));
    format!(
        r#"{head}{top}
[net.front]
subnet = "10.88.1.0/24"
subnet6 = "fd00:88:1::/64"

[net.back]
subnet = "10.88.2.0/24"
subnet6 = "fd00:88:2::/64"
gateway = "10.88.2.254"

[net.vault]
subnet = "10.88.3.0/24"
internal = true

[container.web]
{LISTEN}networks = ["front", "vault"]
{web}{}"#,
        more.concat()
    )
}

pub(crate) fn start<'a>(rig: &'a Rig, name: &str, top: &str) -> Node<'a> {
    let node = rig.node(name, "1", &config(rig, top));
    node.wait_idle();
    for (port, path) in [
        (WEB, "/try/connect/db:8080"),
        (WEB, "/try/connect/safe:8080"),
        (LONE, "/"),
    ] {
        wait_answer(&node, port, path);
    }
    node
}

/// What the container that is published on `port` says to a request.
pub(crate) fn ask(node: &Node<'_>, port: u16, path: &str) -> String {
    let answer = node.ask(port, path);
    answer
        .unwrap_or_else(|error| panic!("{path}: {error}\n{}", node.journal()))
        .body
}

/// What comes of a connection from the container that is published on `port`.
pub(crate) fn connect(node: &Node<'_>, port: u16, to: &str) -> String {
    ask(node, port, &format!("/try/connect/{to}"))
}

#[track_caller]
pub(crate) fn assert_reached(node: &Node<'_>, port: u16, to: &str) {
    assert_eq!(connect(node, port, to), format!("connect/{to}: done\n"));
}

#[track_caller]
pub(crate) fn assert_refused(node: &Node<'_>, port: u16, to: &str) {
    let said = connect(node, port, to);
    assert!(said.contains("refused"), "{to}: {said}");
}

/// A connection out of the network namespace at a path.
pub(crate) fn connect_from(netns: &Path, to: SocketAddr) -> io::Result<()> {
    let netns = File::open(netns)?;
    let connecting = thread::spawn(move || {
        setns(netns, CloneFlags::CLONE_NEWNET)?;
        TcpStream::connect_timeout(&to, SILENCE).map(drop)
    });
    connecting.join().unwrap()
}

/// A connection out of the network of the machines.
pub(crate) fn connect_from_lan(node: &Node<'_>, to: SocketAddr) -> io::Result<()> {
    node.inside_lan(|| TcpStream::connect_timeout(&to, SILENCE).map(drop))
}

pub(crate) fn on(address: Ipv4Addr, port: u16) -> SocketAddr {
    (address, port).into()
}

pub(crate) fn main_pid(node: &Node<'_>, unit: &str) -> String {
    node.run(&["systemctl", "show", "--value", "--property=MainPID", unit])
}

/// All rules of the node; no counters are in them.
pub(crate) fn rules(node: &Node<'_>) -> String {
    node.run(&["nft", "list", "ruleset"])
}

/// The names of the node's interfaces.
pub(crate) fn links(node: &Node<'_>) -> Vec<String> {
    let listed = node.run(&["networkctl", "list", "--no-legend", "--no-pager"]);
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names
}

/// Waits until rules and links are as they were, and `web` resolves names.
pub(crate) fn wait_mended(node: &Node<'_>, what: &str, wanted: &(String, Vec<String>)) {
    let mended = node.machine.wait(what, MENDED, || {
        let now = (rules(node), links(node));
        if now != *wanted {
            return Err(format!("{now:?}"));
        }
        match node.ask(WEB, "/resolve/db") {
            Ok(answer) if answer.body == DB => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    mended.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
}
