//! Operating containers on a real node: what operators order of them, and how long it holds.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerDetail, ContainerState, ContainerStats, FrameKind, LogLine, ProcessView};
use rig::containers::{apply, config, container, outside, wait_view};
use rig::node::{Rig, SWITCH};
use rig::session::Session;
use serde_json::json;

#[test]
fn a_stopped_container_stays_so_over_a_kill_of_the_agent_until_it_is_started_or_a_switch() {
    let rig = Rig::new();
    let both = |keys| config(&rig, &[container(&rig, "app", keys)]);
    let node = rig.node("stopped", "1", &both(""));
    node.wait_idle();
    node.wait_web("/");
    let said = node.orlop(&["container", "stop", "web"]);
    assert_eq!(said.out, "web is stopped: stopped by uid 0\n", "{said:?}");
    node.web("/").unwrap_err();

    let killed = node.kill_agent("");
    node.wait_agent(&killed);
    let stopped = wait_view(&node, "web", "a stopped container", |view| {
        view.state == ContainerState::Stopped
    });
    assert_eq!(stopped.detail, "stopped by uid 0");
    // Waits for the new agent's look at all containers, and looks at them all once more.
    let said = node.orlop(&["container", "start", "app"]);
    assert_eq!(said.out, "app is running\n", "{said:?}");
    let stopped = wait_view(&node, "web", "the container", |_| true);
    assert_eq!(
        (stopped.state, stopped.pid),
        (ContainerState::Stopped, None)
    );
    let said = node.orlop(&["container", "kill", "web"]);
    assert_eq!(said.code, Some(6), "{said:?}");

    let said = node.orlop(&["container", "start", "web"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let first = node.wait_web("/started");
    let said = node.orlop(&["container", "restart", "web"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_ne!(node.wait_web("/started"), first);
    let bus = ["busctl", "call", "io.orlop.Host1", "/io/orlop/Host1"];
    let on_bus = |call: &[&str]| node.run(&[&bus[..], &["io.orlop.Host1"], call].concat());
    for (method, answer) in [("StopContainer", "stopped"), ("StartContainer", "running")] {
        let said = on_bus(&[method, "s", "app"]);
        assert_eq!(said, format!("s \"{answer}\""), "{method}");
        let said = on_bus(&["ContainerState", "s", "app"]);
        assert!(said.contains(&format!("\"{answer}\"")), "{method}: {said}");
    }
    let said = node.orlop(&["container", "stop", "wep"]);
    assert_eq!(
        said.err,
        "error: cannot find container wep\nhint: did you mean web?\n"
    );

    node.orlop(&["container", "stop", "web"]);
    // Its gate asks for all containers.
    apply(&node, &both("labels = { team = \"core\" }"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_web("/");
    let log = node.run(&["journalctl", "--no-pager", "--output=cat"]);
    for record in ["stop-container web: done", "start-container app: done"] {
        assert!(log.contains(&format!("uid 0 asked for {record}")), "{log}");
    }
}

#[test]
fn a_container_is_looked_at_and_runs_commands_of_operators() {
    let rig = Rig::new();
    let node = rig.node("looked-at", "1", &rig.config("1"));
    node.wait_idle();
    node.wait_web("/");
    let detail: ContainerDetail = node.api().get("/v1/containers/web").unwrap();
    assert_eq!(detail.view.state, ContainerState::Running);
    assert!(detail.mounts.iter().any(|mount| mount.path == "/proc"));
    let pid = detail.view.pid.unwrap();
    let processes: Vec<ProcessView> = node.api().get("/v1/containers/web/processes").unwrap();
    assert_eq!(processes.len(), 1, "{processes:?}");
    assert_eq!(processes[0].pid, pid);
    assert_eq!(processes[0].command, "/app");
    let said = node.orlop(&["container", "stats", "--json"]);
    let stats: Vec<ContainerStats> = serde_json::from_str(&said.out).unwrap();
    assert_eq!(stats.len(), 1);
    assert!(stats[0].cpu_usec.is_some_and(|usec| usec > 0), "{stats:?}");
    assert!(stats[0].cpu_percent.is_some(), "{stats:?}");

    let exec = ["container", "exec", "-e", "APP_VERSION=9", "web", "--"];
    let said = node.orlop(&[&exec[..], &["/app", "--exit", "7"]].concat());
    assert_eq!(
        said.out, "task of version 9 ends with status 7\n",
        "{said:?}"
    );
    assert_eq!(said.code, Some(7));
    let said = node.orlop(&["container", "exec", "web", "--", "/nothing"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    let log = node.run(&["journalctl", "--no-pager", "--output=cat"]);
    assert!(log.contains("uid 0 asked for exec web: done"), "{log}");
    // Neither has become the container's, nor left anything behind.
    let after: Vec<ProcessView> = node.api().get("/v1/containers/web/processes").unwrap();
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(!node.has("/run/orlop/containers/web/exec-0.json"));
}

#[test]
fn a_command_has_the_user_and_directory_that_are_asked_for() {
    let rig = Rig::new();
    let node = rig.node("as-asked", "1", &rig.config("1"));
    node.wait_idle();
    node.wait_web("/");
    let talk = |options: &[&str]| {
        let rest = ["web", "--", "/app", "--talk"];
        node.orlop(&[&["container", "exec"][..], options, &rest].concat())
    };
    let said = talk(&[]);
    assert_eq!(said.out, "no terminal, user 0, in /\nno more\n", "{said:?}");
    let said = talk(&["-u", "1000:1001", "-w", "/proc/self"]);
    assert!(
        said.out.starts_with("no terminal, user 1000, in /proc/"),
        "{said:?}"
    );
    let said = talk(&["-u", "nobody-there"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("no user \"nobody-there\""), "{said:?}");
    let said = talk(&["-w", "/none"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    let said = talk(&["-w", "proc"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = talk(&["-t"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn a_command_with_a_terminal_is_told_of_its_size_and_gives_its_status() {
    let rig = Rig::new();
    let node = rig.node("terminal", "1", &rig.config("1"));
    node.wait_idle();
    node.wait_web("/");
    let open = |request| Session::open(&node, "/v1/containers/web/exec", request);
    let request = json!({
        "command": ["/app", "--talk"], "stdin": true, "terminal": { "rows": 24, "columns": 80 },
    });
    let mut session = open(&request);
    // The OCI runtime sets the size when the command may have begun already, which is told of it then.
    session.wait_for("24x80");
    assert!(
        session.shown().starts_with("terminal "),
        "{}",
        session.shown()
    );
    session.send(FrameKind::Resize, &[0, 50, 0, 132]);
    session.wait_for("size 50x132\r\n");
    assert!(
        session.shown().contains(", user 0, in /\r\n"),
        "{}",
        session.shown()
    );
    // The terminal shows what is typed.
    session.send(FrameKind::Stdin, b"hello\r");
    session.wait_for("hello\r\nheard hello\r\n");
    session.send(FrameKind::Stdin, b"end\r");
    assert_eq!(session.wait_exit(), 3);

    // Ctrl-C is the terminal's to make a signal of.
    let mut session = open(&request);
    session.wait_for("in /\r\n");
    session.send(FrameKind::Stdin, b"\x03");
    assert_eq!(session.wait_exit(), 130);
    // One that cannot be started says why, and leaves nothing.
    let request = json!({ "command": ["/none"], "terminal": { "rows": 24, "columns": 80 } });
    let mut session = open(&request);
    assert_ne!(session.wait_exit(), 0);
    assert!(session.shown().contains("/none"), "{}", session.shown());
    // Who goes takes the command along.
    let request = json!({ "command": ["/app", "--talk"], "stdin": true });
    let session = open(&request);
    drop(session);
    let bundle = outside(&node, "/run/orlop/containers/web");
    let gone = node
        .machine
        .wait("the end of a command", rig::node::READY, || {
            let processes: Vec<ProcessView> =
                node.api().get("/v1/containers/web/processes").unwrap();
            let left = std::fs::read_dir(&bundle).unwrap();
            let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let left: Vec<_> = names.filter(|name| name.starts_with("exec-")).collect();
            match (processes.len(), left.is_empty()) {
                (1, true) => Ok(()),
                _ => Err(format!("{processes:?} {left:?}")),
            }
        });
    gone.unwrap();
}

#[test]
fn a_log_tells_how_many_lines_are_missing() {
    let rig = Rig::new();
    let keys = "args = [\"--chatter\", \"5000\"]\nlog_limit = 100";
    let node = rig.node(
        "chatter",
        "1",
        &config(&rig, &[container(&rig, "app", keys)]),
    );
    node.wait_idle();
    // The journal tells once it lets lines through again.
    let missing = node.machine.wait("the count of lines", SWITCH, || {
        let said = node.orlop(&["container", "logs", "app", "--json", "-n", "10000"]);
        let lines = said
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<LogLine> = lines.collect();
        let missing = lines.iter().find_map(|line| line.dropped);
        missing.ok_or_else(|| format!("{} lines, none that says so", lines.len()))
    });
    let missing = missing.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    assert!(missing > 4000, "{missing}");
    let said = node.orlop(&["container", "logs", "app", "-n", "10000"]);
    let told = format!("{missing} lines are missing here: ");
    assert!(said.out.contains(&told), "{said:?}");
}
