//! How trials end on namespace machines: an agent that cannot stay up.

#[cfg(test)]
mod rig;

use agent::{config_with, kill_until_it_is_given_up};
use orlop_api::{Phase, Trigger};
use rig::node::{READY, Rig};
use std::net::TcpListener;

#[cfg(test)]
mod agent {
    //! An agent that does not stay up.

    use crate::rig::node::{Node, READY, Rig};

    /// `StartLimitBurst=` of `orlopd.service`.
    const STARTS: u32 = 5;

    /// A node's TOML whose gate asks for a port of the host too, for minutes.
    pub(crate) fn config_with(rig: &Rig, port: u16) -> String {
        let check = format!("deadline = \"10m\"\n\n[[gate.check]]\ntcp = \"10.0.2.2:{port}\"");
        let config = rig.config("1");
        let patient = config.replace("deadline = \"20s\"", &check);
        assert_ne!(patient, config);
        patient
    }

    /// Kills the agent as often as systemd starts it.
    pub(crate) fn kill_until_it_is_given_up(node: &Node<'_>) {
        let main_pid = [
            "systemctl",
            "show",
            "--value",
            "--property=MainPID",
            "orlopd.service",
        ];
        for start in 1..=STARTS {
            let pid = node.machine.wait("an agent to kill", READY, || {
                let output = node.machine.exec(&main_pid).map_err(|e| e.to_string())?;
                match String::from_utf8_lossy(&output.stdout).trim() {
                    "" | "0" => Err("none".to_owned()),
                    pid => Ok(pid.to_owned()),
                }
            });
            let pid = pid.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
            let kill = ["systemctl", "kill", "--signal=KILL", "--kill-whom=main"];
            node.run(&[&kill[..], &["orlopd.service"]].concat());
            if start == STARTS {
                return;
            }
            let another = node.machine.wait("another agent", READY, || {
                let output = node.machine.exec(&main_pid).map_err(|e| e.to_string())?;
                let now = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                if now != pid && now != "0" && !now.is_empty() {
                    Ok(())
                } else {
                    Err(now)
                }
            });
            another.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
        }
    }
}

#[test]
fn an_agent_that_cannot_stay_up_on_trial_is_left_with_one_restart_and_the_verdict_names_it() {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::new();
    let port = door.local_addr().unwrap().port();
    rig.also_reach.push(port);
    rig.push_os("2");
    let node = rig.node("agentless", "1", &config_with(&rig, port));
    node.wait_idle();
    drop(door);
    node.update(&rig.image("orlop/os:2"));
    node.wait_status("a trial that goes on", |status| {
        status.phase == Phase::Trial && status.trial.as_ref().is_some_and(|t| t.generation == 2)
    });
    let started = node.wait_web("/started");
    let boots = node.machine.status().unwrap().boots;

    kill_until_it_is_given_up(&node);
    let verdict = node.wait_verdict(2);
    assert_eq!((verdict.good, verdict.running), (false, 1), "{verdict:?}");
    let detail = "it was ended by signal KILL".to_owned();
    assert_eq!(verdict.trigger, Trigger::AgentCrash { detail });
    assert!(!verdict.log.is_empty(), "the agent's last lines");
    let status = node.wait_idle();
    assert_eq!(status.current.unwrap().os.version.as_deref(), Some("1"));
    assert_eq!(node.machine.status().unwrap().boots, boots + 1);
    assert_ne!(node.wait_web("/started"), started);
    let why = node.why();
    assert!(
        why.running.contains("its agent could not stay up"),
        "{why:?}"
    );
}

#[test]
fn an_agent_that_cannot_stay_up_on_a_good_generation_takes_no_container_with_it() {
    let rig = Rig::new();
    let node = rig.node("alone", "1", &rig.config("1"));
    node.wait_idle();
    let started = node.wait_web("/started");
    let boots = node.machine.status().unwrap().boots;

    kill_until_it_is_given_up(&node);
    let waits = node.machine.wait("the timer", READY, || {
        let timer = ["systemctl", "is-active", "orlop-agent-again.timer"];
        let output = node.machine.exec(&timer).map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stdout).into_owned()),
        }
    });
    waits.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    assert_eq!(node.wait_web("/started"), started);
    // What the timer starts when its time has come.
    node.run(&["systemctl", "start", "orlop-agent-again.service"]);
    let status = node.wait_idle();
    let words = "the agent could not stay up: it was ended by signal KILL".to_owned();
    assert!(status.problems.contains(&words), "{:?}", status.problems);
    assert_eq!(node.wait_web("/started"), started);
    assert_eq!(node.machine.status().unwrap().boots, boots);
}
