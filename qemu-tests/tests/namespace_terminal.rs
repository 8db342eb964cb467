//! Containers with a terminal or an open input, and who joins them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[cfg(test)]
mod rig;

use orlop_api::{ContainerDetail, ContainerState, FrameKind, ProcessView};
use rig::containers::{apply, config, container, outside, wait_view};
use rig::node::{Node, Rig, SWITCH};
use rig::screen::Screen;
use rig::session::Session;
use serde_json::json;
use std::fs;

const ATTACH: [&str; 3] = ["container", "attach", "console"];
/// Ctrl-P Ctrl-Q.
const DETACH: &[u8] = b"\x10\x11";

/// The TOML of [`Rig::config`] and a container `console` that talks, with more keys.
fn talking(rig: &Rig, keys: &str) -> String {
    let keys = format!("args = [\"--talk\"]\nessential = false\n{keys}");
    config(rig, &[container(rig, "console", &keys)])
}

fn pid(node: &Node<'_>) -> u32 {
    let running = wait_view(node, "console", "a container that runs", |view| {
        view.state == ContainerState::Running
    });
    running.pid.unwrap()
}

/// Waits until the log of `console` has this line.
fn wait_log(node: &Node<'_>, line: &str) {
    let found = node.machine.wait("a line of the log", SWITCH, || {
        let said = node.orlop(&["container", "logs", "console", "-n", "10000"]);
        match said.out.lines().any(|one| one == line) {
            true => Ok(()),
            false => Err(format!("no {line:?} in {said:?}")),
        }
    });
    found.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
}

/// The processes of the node that hold terminals.
fn holders(node: &Node<'_>) -> Vec<u32> {
    let init = node.machine.status().unwrap().init.unwrap();
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let of_node = namespace(&init.to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let comm = fs::read_to_string(format!("/proc/{name}/comm"));
        if comm.is_ok_and(|comm| comm.trim() == "orlop-terminal") && namespace(&name) == of_node {
            found.extend(name.parse::<u32>());
        }
    }
    found
}

#[test]
fn a_program_on_a_terminal_talks_to_whoever_joins_and_goes_on_without_them() {
    let rig = Rig::new();
    let node = rig.node("terminal", "1", &talking(&rig, "tty = true\npids = 20"));
    node.wait_idle();
    wait_log(&node, "terminal 24x80, user 0, in /");
    let first = pid(&node);
    let detail: ContainerDetail = node.api().get("/v1/containers/console").unwrap();
    assert!(detail.tty && !detail.stdin, "{detail:?}");
    let processes: Vec<ProcessView> = node.api().get("/v1/containers/console/processes").unwrap();
    assert_eq!(processes.len(), 1, "{processes:?}");

    let mut screen = Screen::open(&node, &ATTACH, (40, 120));
    screen.wait_for("this is the terminal of console; Ctrl-P Ctrl-Q leaves it");
    screen.wait_for("size 40x120\r\n");
    screen.type_in(b"hellp\x7fo\r");
    screen.wait_for("heard hello\r\n");
    assert!(screen.is_raw());
    screen.resize((50, 132));
    screen.wait_for("size 50x132\r\n");
    screen.type_in(DETACH);
    let (code, shown) = screen.wait_exit();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.ends_with("console goes on\r\n"), "{shown}");
    wait_log(&node, "heard hello");
    let log = node.run(&["journalctl", "--no-pager", "--output=cat"]);
    assert!(
        log.contains("uid 0 asked for attach console: done"),
        "{log}"
    );

    // Far more than any buffer takes, while one is there who does not read, and then nobody.
    let mut one = Session::open(&node, "/v1/containers/console/attach", &json!({}));
    let deaf = Session::open(&node, "/v1/containers/console/attach", &json!({}));
    one.send(FrameKind::Stdin, b"flood\r");
    one.wait_for("flood 0\r\n");
    drop(one);
    let mut one = Session::open(&node, "/v1/containers/console/attach", &json!({}));
    one.send(FrameKind::Stdin, b"after the flood\r");
    one.wait_for("heard after the flood\r\n");
    drop((one, deaf));

    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.wait_for("size 24x80\r\n");
    let killed = node.kill_agent("");
    let (code, shown) = screen.wait_exit();
    assert_eq!(code, Some(4), "{shown}");
    assert!(
        shown.contains("cannot stay at container console"),
        "{shown}"
    );
    node.wait_agent(&killed);
    assert_eq!(pid(&node), first);
    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.type_in(b"still there\r");
    screen.wait_for("heard still there\r\n");

    // Its own end is the command's; then it comes again, as ever.
    screen.type_in(b"end\r");
    screen.wait_for("bye\r\n");
    assert_eq!(screen.wait_exit().0, Some(3));
    wait_view(&node, "console", "another process", |view| {
        view.state == ContainerState::Running && view.pid != Some(first)
    });
    let detail: ContainerDetail = node.api().get("/v1/containers/console").unwrap();
    assert_eq!(detail.view.restarts, 1, "{detail:?}");
    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.type_in(b"again\r");
    screen.wait_for("heard again\r\n");
    assert_eq!(holders(&node).len(), 1);

    apply(&node, &rig.config("1"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    let (_, shown) = screen.wait_exit();
    assert!(shown.contains("heard again"), "{shown}");
    assert!(holders(&node).is_empty());
    assert!(!node.has("/run/orlop/containers/console"));
}

#[test]
fn orders_and_restarts_reach_a_program_on_a_terminal_as_any_other() {
    let rig = Rig::new();
    // The small init passes signals on, which the first process of a container does not get otherwise.
    let keys = "tty = true\ninit = true\nrestart = \"on-failure\"";
    let task = container(
        &rig,
        "task",
        "tty = true\nkind = \"task\"\nargs = [\"--exit\", \"0\"]",
    );
    let sick = container(
        &rig,
        "sick",
        "tty = true\nkind = \"task\"\nargs = [\"--exit\", \"7\"]\nessential = false",
    );
    let text = talking(&rig, keys) + &task + &sick;
    let node = rig.node("orders", "1", &text);
    node.wait_idle();
    let completed = |name: &str, state: ContainerState| {
        wait_view(&node, name, "a task that has ended", |view| {
            view.state == state
        })
    };
    completed("task", ContainerState::Completed);
    // What it wrote last of all, and ended.
    let said = node.orlop(&["container", "logs", "task"]);
    assert_eq!(
        said.out, "task of version 1 ends with status 0\n",
        "{said:?}"
    );
    completed("sick", ContainerState::Exited);
    let detail: ContainerDetail = node.api().get("/v1/containers/sick").unwrap();
    assert_eq!(detail.last_exit.as_deref(), Some("exit status 7"));

    let first = pid(&node);
    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.wait_for("leaves it");
    let said = node.orlop(&["container", "restart", "console"]);
    assert_eq!(said.out, "console is running\n", "{said:?}");
    assert_eq!(screen.wait_exit().0, Some(143));
    assert_ne!(pid(&node), first);
    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.type_in(b"hello\r");
    screen.wait_for("heard hello\r\n");
    // Ctrl-C is the terminal's to make a signal of. One that ends by it has failed, and comes again.
    screen.type_in(b"\x03");
    assert_eq!(screen.wait_exit().0, Some(130));
    let again = wait_view(&node, "console", "another process", |view| {
        view.state == ContainerState::Running && view.restarts == 1
    });
    let said = node.orlop(&["container", "kill", "console", "--signal", "KILL"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_view(&node, "console", "a third process", |view| {
        view.state == ContainerState::Running && view.pid != again.pid
    });
    let said = node.orlop(&["container", "stop", "console"]);
    assert!(said.out.starts_with("console is stopped"), "{said:?}");
    assert!(holders(&node).is_empty());
    assert!(!node.has("/run/orlop/containers/console/attach.sock"));
    let said = node.orlop(&ATTACH);
    assert_eq!(said.code, Some(6), "{said:?}");
    let said = node.orlop(&["container", "start", "console"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.type_in(b"hello\r");
    screen.wait_for("heard hello\r\n");

    // The next instance has a terminal of its own, and operators are led to it.
    let next = "\nupdate = \"start-first\"\nenv = { NEXT = \"yes\" }";
    apply(&node, &talking(&rig, &format!("{keys}{next}")));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_idle();
    let (code, shown) = screen.wait_exit();
    assert_eq!(code, Some(4), "{shown}");
    let mut screen = Screen::open(&node, &ATTACH, (24, 80));
    screen.type_in(b"hello\r");
    screen.wait_for("heard hello\r\n");
    assert_eq!(holders(&node).len(), 1);
}

#[test]
fn what_is_sent_to_an_open_input_reaches_the_program_and_its_lines_come_back() {
    let rig = Rig::new();
    let node = rig.node(
        "input",
        "1",
        &talking(&rig, "stdin = true\nuser = \"1000\""),
    );
    node.wait_idle();
    wait_log(&node, "no terminal, user 1000, in /");
    let open = || Session::open(&node, "/v1/containers/console/attach", &json!({}));
    let mut session = open();
    session.send(FrameKind::Stdin, b"hello\n");
    session.wait_for("heard hello\n");
    // The end of what one person types is not the end of the input.
    session.send(FrameKind::Stdin, b"");
    let mut other = open();
    other.send(FrameKind::Stdin, b"and I\n");
    other.wait_for("heard and I\n");
    session.wait_for("heard and I\n");
    other.send(FrameKind::Stdin, b"end\n");
    other.wait_for("bye\n");
    assert_eq!(other.wait_exit(), 3);
    assert_eq!(session.wait_exit(), 3);
    wait_view(&node, "console", "another process", |view| {
        view.state == ContainerState::Running && view.restarts == 1
    });
    // What has neither cannot be joined.
    let fault = node
        .machine
        .exec(&["orlop", "container", "attach", "--no-stdin", "nobody"]);
    assert_eq!(fault.unwrap().status.code(), Some(7));
    let mut screen = Screen::open(&node, &["container", "attach", "web"], (24, 80));
    screen.wait_for("web has no stdin and no terminal");
}

#[test]
fn a_terminal_lives_on_through_a_live_swap_and_holds_no_old_os() {
    let rig = Rig::new();
    rig.push_os("1");
    rig.push_os("2");
    let both = talking(&rig, "tty = true")
        + &container(&rig, "reader", "args = [\"--talk\"]\nstdin = true");
    let node = rig.node("swapped", "1", &both);
    node.wait_idle();
    let before = pid(&node);
    let holding = holders(&node);
    assert_eq!(holding.len(), 2);
    for swap in 0..2 {
        let version = if swap % 2 == 0 { "2" } else { "1" };
        node.swap_to(&rig, version, swap + 2);
        assert_eq!(pid(&node), before);
        assert_eq!(holders(&node), holding);
        let mut screen = Screen::open(&node, &ATTACH, (24, 80));
        screen.type_in(b"hello\r");
        screen.wait_for("heard hello\r\n");
        screen.type_in(DETACH);
        assert_eq!(screen.wait_exit().0, Some(0));
        let path = "/v1/containers/reader/attach";
        let mut session = Session::open(&node, path, &json!({}));
        session.send(FrameKind::Stdin, b"hello\n");
        session.wait_for("heard hello\n");
    }
    for holder in holding {
        let maps = fs::read_to_string(format!("/proc/{holder}/maps")).unwrap();
        let files = maps.lines().filter_map(|line| line.split_once(" /"));
        let mut files = files.map(|(_, file)| file.to_owned()).peekable();
        assert!(files.peek().is_some(), "{maps}");
        assert!(
            files.all(|file| file.ends_with("orlop/orlop-terminal")),
            "{maps}"
        );
        // What it has for its root is that of everybody else.
        let root = fs::metadata(format!("/proc/{holder}/root/usr")).unwrap();
        let of_node = fs::metadata(outside(&node, "/usr")).unwrap();
        assert_eq!(
            std::os::unix::fs::MetadataExt::dev(&root),
            std::os::unix::fs::MetadataExt::dev(&of_node)
        );
    }
}
