//! Runs in a node, with the peers' packages as its root: measures all engines by turns.

use super::Options;
use super::containerd::Containerd;
use super::engine::{Engine, seconds};
use super::orlop::Orlop;
use super::podman::Podman;
use super::processes::proportional_mib;
use super::records::{Figure, Peer, Record};
use crate::Outcome;
use crate::answer::wait_answer;
use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

/// The first container's number, which is its port on the node.
const FIRST: u16 = 20_001;
/// So many times one container is made, stopped, started and removed.
const ROUNDS: usize = 10;
/// So many containers are made at once, so many times.
const MANY: u16 = 50;
const ROUNDS_OF_MANY: usize = 2;
/// So many rest while memory is measured.
const IDLE: u16 = 20;
/// They rest for so long first.
const REST: Duration = Duration::from_secs(3);
/// What systemd does for an engine is the engine's.
const SERVANTS: [&str; 3] = ["systemd", "systemd-journal", "dbus-daemon"];

/// Prints a line of JSON for each measurement.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    prepare()?;
    let alone = servants()?;
    let config = fs::read_to_string(&options.config)?;
    let mut engines: Vec<(Peer, Box<dyn Engine>)> = vec![
        (Peer::Podman, Box::new(Podman::new(&options.app)?)),
        (Peer::Containerd, Box::new(Containerd::new(&options.app)?)),
        (Peer::Orlop, Box::new(Orlop::new(config, &options.app)?)),
    ];
    let mut bench = Bench {
        address: options.address.into(),
        alone,
    };
    for _ in 0..ROUNDS {
        for (peer, engine) in &mut engines {
            bench.one(*peer, engine.as_mut())?;
        }
    }
    for _ in 0..ROUNDS_OF_MANY {
        for (peer, engine) in &mut engines {
            bench.many(*peer, engine.as_mut())?;
        }
    }
    for (count, figure) in [(1, Figure::MemoryOfOne), (IDLE, Figure::MemoryOfMany)] {
        for (peer, engine) in &mut engines {
            bench.memory(*peer, engine.as_mut(), count, figure)?;
        }
    }
    for image in &options.large {
        for (peer, engine) in &mut engines {
            // Nobody waits for what another has written.
            rustix::fs::sync();
            engine.rest()?;
            let pull = engine.pull(image)?;
            record(*peer, Figure::Pull, pull.seconds)?;
            record(*peer, Figure::PullCpu, pull.cpu_seconds)?;
            record(*peer, Figure::PullPeak, pull.peak_mib)?;
        }
    }
    Ok(())
}

/// What the packages expect of a machine that they are installed on.
fn prepare() -> Outcome<()> {
    fs::create_dir_all("/etc/containers")?;
    fs::write(
        "/etc/containers/policy.json",
        r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
    )?;
    fs::write("/etc/hosts", "127.0.0.1 localhost\n")?;
    // ctr copies them into the container.
    fs::write("/etc/resolv.conf", "")?;
    Ok(())
}

fn record(peer: Peer, figure: Figure, value: f64) -> Outcome<()> {
    let record = Record {
        peer,
        figure,
        value,
    };
    println!("{}", serde_json::to_string(&record)?);
    Ok(())
}

fn servants() -> Outcome<f64> {
    proportional_mib(|name, _| SERVANTS.contains(&name))
}

struct Bench {
    address: std::net::IpAddr,
    /// MiB of [`SERVANTS`] before there was any container.
    alone: f64,
}

impl Bench {
    fn one(&mut self, peer: Peer, engine: &mut dyn Engine) -> Outcome<()> {
        let one = FIRST..FIRST + 1;
        engine.rest()?;
        let begun = Instant::now();
        engine.run(one.clone())?;
        self.wait_answers(one.clone())?;
        record(peer, Figure::Run, seconds(begun) * 1e3)?;
        let begun = Instant::now();
        engine.stop(FIRST)?;
        record(peer, Figure::Stop, seconds(begun) * 1e3)?;
        let begun = Instant::now();
        engine.start(FIRST)?;
        self.wait_answers(one.clone())?;
        record(peer, Figure::Start, seconds(begun) * 1e3)?;
        engine.rest()?;
        engine.remove(one)
    }

    fn many(&mut self, peer: Peer, engine: &mut dyn Engine) -> Outcome<()> {
        let many = FIRST..FIRST + MANY;
        engine.rest()?;
        let begun = Instant::now();
        engine.run(many.clone())?;
        self.wait_answers(many.clone())?;
        record(peer, Figure::RunMany, seconds(begun))?;
        engine.rest()?;
        let begun = Instant::now();
        engine.remove(many)?;
        record(peer, Figure::RemoveMany, seconds(begun))
    }

    fn memory(
        &self,
        peer: Peer,
        engine: &mut dyn Engine,
        count: u16,
        figure: Figure,
    ) -> Outcome<()> {
        let some = FIRST..FIRST + count;
        engine.rest()?;
        engine.run(some.clone())?;
        self.wait_answers(some.clone())?;
        thread::sleep(REST);
        let more = (servants()? - self.alone).max(0.0);
        record(peer, figure, engine.memory()? + more)?;
        engine.rest()?;
        engine.remove(some)
    }

    fn wait_answers(&self, numbers: Range<u16>) -> Outcome<()> {
        numbers
            .into_iter()
            .try_for_each(|number| wait_answer(SocketAddr::new(self.address, number), "/healthz"))
    }
}
