//! Operating containers on a real node: what operators order of them, and how long it holds.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerDetail, ContainerState, ContainerStats, ProcessView};
use rig::containers::{apply, config, container, wait_view};
use rig::node::Rig;

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
    assert!(
        log.contains("uid 0 asked for stop-container web: done"),
        "{log}"
    );
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
