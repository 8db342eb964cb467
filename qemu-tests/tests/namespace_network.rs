//! Containers' networks on namespace machines: who knows and reaches whom, what others break and the
//! agent mends, and what swaps and power cuts leave as it was.

#[cfg(test)]
mod rig;

use orlop_machines::Lan;
use rig::containers::{apply, container, outside, wait_answer};
use rig::name_server::{self, OUTSIDE};
use rig::networks::{
    BY_ADDRESS, BY_LOOPBACK, DATAGRAMS, DB, LONE, LONE_MAC, MENDED, ON_WIRE, RANGE, WIRE, ask,
    assert_reached, assert_refused, config, connect_from, connect_from_lan, links, main_pid, on,
    rules, start, wait_mended,
};
use rig::node::{READY, Rig, WEB};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;

/// Where hosts ask all others on the wire for a name (RFC 4795).
const LLMNR_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 252);
const LLMNR_PORT: u16 = 5355;
/// Where a container with a name server of its own is published.
const OWN: u16 = 8085;
/// Where one without is.
const LOST: u16 = 8086;

#[test]
fn containers_of_a_network_know_and_reach_each_other_and_nobody_of_another() {
    let rig = Rig::new();
    let node = start(&rig, "names", "");
    for name in ["db", "data", "db.internal"] {
        assert_eq!(ask(&node, WEB, &format!("/resolve/{name}")), DB);
        assert_reached(&node, WEB, &format!("{name}:8080"));
    }
    assert_reached(&node, WEB, "10.88.1.10:8080");
    assert_reached(&node, WEB, "[fd00:88:1::10]:8080");
    // The one that is shut in is known to those on its network.
    let safe = ask(&node, WEB, "/resolve/safe");
    assert!(safe.starts_with("10.88.3."), "{safe}");
    assert_reached(&node, WEB, "safe:8080");

    let wire = node.inside_lan(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, LLMNR_PORT)).unwrap();
        let joined = socket.join_multicast_v4(&LLMNR_GROUP, &Lan::gateway());
        joined.unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    });
    for (port, name) in [(WEB, "nobody"), (WEB, "lone"), (LONE, "db"), (LONE, "data")] {
        let answer = node.ask(port, &format!("/resolve/{name}")).unwrap();
        assert!(!answer.status.is_success(), "{name}: {}", answer.body);
    }
    // Anybody on the wire could answer for a container that is away.
    let asked = wire.recv(&mut [0; 1]);
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::WouldBlock);
    let safe = format!("{}:8080", safe.trim());
    for to in ["10.88.1.10:8080", "[fd00:88:1::10]:8080", &safe] {
        assert_refused(&node, LONE, to);
    }
    // Published ports are for everybody, by the host's addresses of both kinds; a neighbour by the
    // host too, whose answers come back by the host.
    for to in ["10.0.2.15:8080", "[fd00:88:2::1]:8080", "10.88.2.254:8080"] {
        assert_reached(&node, LONE, to);
    }
    assert_reached(&node, WEB, "10.0.2.15:8080");
}

#[test]
fn names_of_the_outside_are_asked_of_the_nodes_servers_or_of_the_containers_own() {
    let rig = Rig::new();
    let gateway = Lan::gateway();
    let keys = |port: u16, dns: &str| {
        format!(
            "ports = [\"{port}:8080\"]\nnetworks = [\"front\"]\n{dns}\ndns_search = [\"example\"]\n\
             hosts = {{ printer = \"192.0.2.9\", node = \"host-gateway\" }}"
        )
    };
    let own = container(&rig, "own", &keys(OWN, &format!("dns = [\"{gateway}\"]")));
    let lost = container(&rig, "lost", &keys(LOST, ""));
    // Nobody answers there.
    let top = format!("[network]\ndns = [\"192.0.2.53\"]\n{own}{lost}");
    let node = start(&rig, "servers", &top);
    name_server::serve(&node);
    for name in ["outside.example", "outside"] {
        assert_eq!(ask(&node, OWN, &format!("/resolve/{name}")), OUTSIDE);
    }
    assert_eq!(ask(&node, OWN, "/resolve/db"), DB);
    for port in [OWN, LOST] {
        assert_eq!(ask(&node, port, "/resolve/printer"), "192.0.2.9\n");
        assert_eq!(ask(&node, port, "/resolve/node"), "10.88.1.1\n");
    }
    let unknown = node.ask(OWN, "/resolve/inside.example").unwrap();
    assert!(!unknown.status.is_success(), "{}", unknown.body);

    // Whoever says nothing of name servers has the node's.
    let top = top.replace("192.0.2.53", &gateway.to_string());
    apply(&node, &config(&rig, &top));
    assert_eq!(
        wait_answer(&node, LOST, "/resolve/outside.example"),
        OUTSIDE
    );
    assert_eq!(wait_answer(&node, WEB, "/resolve/outside.example"), OUTSIDE);
}

#[test]
fn the_outside_reaches_published_ports_alone_and_sees_the_host_for_its_containers() {
    let rig = Rig::new();
    let node = start(&rig, "outside", "");
    assert_eq!(ask(&node, RANGE + 1, "/"), "hello from 1\n");
    assert_eq!(ask(&node, BY_ADDRESS, "/"), "hello from 1\n");
    let closed = connect_from_lan(&node, on(node.address(), BY_LOOPBACK));
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let host = outside(&node, "/proc/1/ns/net");
    connect_from(&host, on(Ipv4Addr::LOCALHOST, BY_LOOPBACK)).unwrap();
    let said = node.inside_lan(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(READY)).unwrap();
        socket
            .send_to(b"hello", on(node.address(), DATAGRAMS))
            .unwrap();
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    });
    assert_eq!(said, "datagram from 1");

    let listener = node.inside_lan(|| TcpListener::bind((Lan::gateway(), 0)).unwrap());
    let listening = listener.local_addr().unwrap();
    assert_reached(&node, WEB, &listening.to_string());
    assert_eq!(listener.accept().unwrap().1.ip(), node.address());
    // Not from an internal network.
    let safe = outside(&node, "/run/netns/orlop-safe");
    let shut_in = connect_from(&safe, listening).unwrap_err();
    assert_eq!(shut_in.kind(), ErrorKind::NetworkUnreachable);

    // Whoever routes a container's address to the host gets no answer.
    let via = node.address().to_string();
    let route = ["route", "add", "10.88.1.0/24", "via", &via];
    let added = node.inside_lan(|| Command::new("ip").args(route).status().unwrap());
    assert!(added.success());
    let direct = connect_from_lan(&node, on(Ipv4Addr::new(10, 88, 1, 10), 8080));
    assert_eq!(direct.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn flushed_rules_lost_links_and_a_dead_name_server_come_back_though_the_agent_is_killed() {
    let rig = Rig::new();
    let node = start(&rig, "mend", "");
    let started = node.wait_web("/started");
    let wanted = (rules(&node), links(&node));
    wait_mended(&node, "names", &wanted);

    node.run(&["nft", "flush", "ruleset"]);
    wait_mended(&node, "rules after a flush", &wanted);
    let journal = node.journal();
    assert!(
        journal.contains("were gone or changed; put again"),
        "{journal}"
    );
    // A bridge goes, and nobody is there to see it.
    node.run(&["nft", "flush", "ruleset"]);
    let agent = node.kill_agent("");
    node.run(&["networkctl", "delete", "ol-front"]);
    node.wait_agent(&agent);
    wait_mended(&node, "rules and links after the agent's death", &wanted);

    let server = main_pid(&node, "orlop-names.service");
    node.run(&["systemctl", "kill", "--signal=KILL", "orlop-names.service"]);
    wait_mended(&node, "names of another server", &wanted);
    assert_ne!(main_pid(&node, "orlop-names.service"), server);

    let chain = ["chain", "inet", "orlop-containers", "leaving"];
    node.run(&[&["nft", "delete"], &chain[..]].concat());
    wait_mended(&node, "a chain that was deleted", &wanted);
    assert_eq!(node.wait_web("/started"), started);
}

#[test]
fn addresses_and_rules_are_the_same_after_a_live_swap_and_a_power_cut() {
    const LEASES: &str = "orlop/leases.json";
    let rig = Rig::new();
    rig.push_os("2");
    let node = start(&rig, "same", "");
    let started = node.wait_web("/started");
    let wanted = (rules(&node), links(&node));
    let leases = node.read_state(LEASES);
    let all = || ["db", "safe", "web"].map(|name| ask(&node, WEB, &format!("/resolve/{name}")));
    let addresses = all();

    node.update(&rig.image("orlop/os:2"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    assert_eq!(node.wait_idle().os_release.as_deref(), Some("2"));
    wait_mended(&node, "the networks after a swap", &wanted);
    assert_eq!(node.wait_web("/started"), started);
    assert_eq!(
        (all(), node.read_state(LEASES)),
        (addresses, leases.clone())
    );

    let addresses = all();
    node.machine.cut_power().unwrap();
    node.machine.power_on().unwrap();
    node.wait_idle();
    assert_ne!(node.wait_web("/started"), started);
    wait_mended(&node, "the networks after a power cut", &wanted);
    assert_eq!((all(), node.read_state(LEASES)), (addresses, leases));
}

#[test]
fn the_firewall_lets_in_what_it_says_and_published_ports_and_macvlans_have_the_wire_for_themselves()
{
    const FIREWALL: &str = r#"
[firewall]
inbound = "deny"
allow = ["tcp/7000 from 10.0.2.0/24", "tcp/7001 from 10.9.0.0/16"]
"#;
    let rig = Rig::new();
    let wired = container(&rig, "wired", ON_WIRE);
    let node = start(&rig, "wall", &format!("{FIREWALL}{WIRE}{wired}"));
    for port in [7000, 7001] {
        let listen = format!("--socket-property=ListenStream={port}");
        // One that goes on: the socket of a service that ends with its client unheard is given up.
        let service = ["/usr/bin/journalctl", "--follow"];
        node.run(&[&["systemd-run", "--quiet", &listen], &service[..]].concat());
    }
    let knock = |port| connect_from_lan(&node, on(node.address(), port));
    let walled = || match knock(7001) {
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
        other => Err(format!("{other:?}")),
    };
    walled().unwrap();
    knock(7000).unwrap();
    assert_eq!(ask(&node, BY_ADDRESS, "/"), "hello from 1\n");
    assert_reached(&node, WEB, "db:8080");

    let of_lone = outside(&node, "/run/netns/orlop-lone");
    let own = Command::new("nsenter")
        .arg(format!("--net={}", of_lone.display()))
        .args(["ip", "-o", "link", "show", "eth0"])
        .output();
    let own = String::from_utf8(own.unwrap().stdout).unwrap();
    assert!(own.contains(&format!("link/ether {LONE_MAC} ")), "{own}");

    let wire = on(Ipv4Addr::new(10, 0, 2, 200), 8080);
    let reached = node.machine.wait("the container on the wire", READY, || {
        connect_from_lan(&node, wire).map_err(|error| error.to_string())
    });
    reached.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    let seen = node.inside_lan(|| {
        Command::new("ip")
            .args(["neigh", "show", "10.0.2.200"])
            .output()
    });
    let seen = String::from_utf8(seen.unwrap().stdout).unwrap();
    assert!(seen.contains("lladdr 02:42:0a:00:02:c8"), "{seen}");

    node.run(&["nft", "flush", "ruleset"]);
    let back = node.machine.wait("the firewall", MENDED, walled);
    back.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    knock(7000).unwrap();
}
