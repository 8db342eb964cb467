//! How trials end on namespace machines: by an agent that cannot stay up, and by a cause that the old
//! generation suffers from too.

#[cfg(test)]
mod rig;

use agent::kill_until_it_is_given_up;
use door::Door;
use orlop_api::{GenerationStatus, Phase, Trigger};
use rig::node::{READY, Rig};

#[cfg(test)]
mod agent {
    //! An agent that does not stay up.

    use crate::rig::node::Node;

    /// `StartLimitBurst=` of `orlopd.service`.
    const STARTS: u32 = 5;

    /// Kills the agent as often as systemd starts it.
    pub(crate) fn kill_until_it_is_given_up(node: &Node<'_>) {
        let mut last = String::new();
        for _ in 0..STARTS {
            last = node.kill_agent(&last);
        }
    }
}

#[cfg(test)]
mod door {
    //! A door of the host that the gate of a node asks for.

    use crate::rig::node::Rig;
    use std::io::{self, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::thread::{self, JoinHandle};

    /// A request that shuts the door.
    const SHUT: &[u8] = b"shut";

    /// Answers every HTTP request with 200 until it is dropped.
    pub(crate) struct Door {
        address: SocketAddr,
        thread: Option<JoinHandle<io::Result<()>>>,
    }

    impl Door {
        /// Opens one that the machines of `rig` reach.
        pub(crate) fn of(rig: &mut Rig) -> Self {
            let door = Self::open("127.0.0.1:0".parse().unwrap());
            rig.also_reach.push(door.address.port());
            door
        }

        /// Opens it where it was before.
        pub(crate) fn open(address: SocketAddr) -> Self {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let thread = Some(thread::spawn(move || serve(&listener)));
            Self { address, thread }
        }

        pub(crate) fn address(&self) -> SocketAddr {
            self.address
        }

        /// A node's TOML whose gate asks for it, for as long as `deadline` says.
        pub(crate) fn config(&self, rig: &Rig, deadline: &str) -> String {
            let url = self.url();
            let check = format!("deadline = \"{deadline}\"\n\n[[gate.check]]\nhttp = \"{url}\"");
            let config = rig.config("1");
            let patient = config.replace("deadline = \"20s\"", &check);
            assert_ne!(patient, config);
            patient
        }

        /// As the machines reach it.
        pub(crate) fn url(&self) -> String {
            format!("http://10.0.2.2:{}/", self.address.port())
        }
    }

    fn serve(listener: &TcpListener) -> io::Result<()> {
        loop {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 1024];
            let read = stream.read(&mut request)?;
            if request[..read] == *SHUT {
                return Ok(());
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        }
    }

    impl Drop for Door {
        fn drop(&mut self) {
            let shut = TcpStream::connect(self.address).and_then(|mut door| door.write_all(SHUT));
            if let Some(thread) = self.thread.take()
                && shut.is_ok()
            {
                let served = thread.join();
                assert!(matches!(served, Ok(Ok(()))), "{served:?}");
            }
        }
    }
}

#[test]
fn an_agent_that_cannot_stay_up_on_trial_is_left_with_one_restart_and_the_verdict_names_it() {
    let mut rig = Rig::new();
    let door = Door::of(&mut rig);
    rig.push_os("2");
    let node = rig.node("agentless", "1", &door.config(&rig, "10m"));
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

#[test]
fn an_old_generation_that_fails_the_gate_too_stays_up_degraded_and_says_so() {
    let mut rig = Rig::new();
    let door = Door::of(&mut rig);
    rig.push_os("2");
    let node = rig.node("degraded", "1", &door.config(&rig, "8s"));
    node.wait_idle();
    let (address, check) = (door.address(), format!("http {}", door.url()));
    drop(door);
    node.update(&rig.image("orlop/os:2"));
    assert_eq!(node.wait_verdict(2).running, 1);

    let degraded = node.wait_status("a degraded node", |status| status.phase == Phase::Degraded);
    let current = degraded.current.unwrap();
    assert_eq!((current.id, current.status), (1, GenerationStatus::Failed));
    let said = format!("gate check `{check}` fails");
    let told = degraded.problems.iter().any(|text| text.contains(&said));
    assert!(told, "{:?}", degraded.problems);
    let why = node.why();
    let stays = "It was good before, so it stays.";
    assert!(why.running.contains(stays), "{why:?}");
    let asked = node.machine.wait("the gate to be asked again", READY, || {
        let waits = node.why().waiting_for.unwrap_or_default();
        waits.contains(&check).then_some(()).ok_or(waits)
    });
    asked.unwrap_or_else(|error| panic!("{error}"));
    let boots = node.machine.status().unwrap().boots;
    let started = node.wait_web("/started");

    let _door = Door::open(address);
    let good = node.wait_idle_on(1);
    assert_eq!(good.current.unwrap().status, GenerationStatus::Good);
    let still_told = good.problems.iter().any(|text| text.contains(&said));
    assert!(!still_told, "{:?}", good.problems);
    assert_eq!(node.machine.status().unwrap().boots, boots);
    assert_eq!(node.wait_web("/started"), started);
}
