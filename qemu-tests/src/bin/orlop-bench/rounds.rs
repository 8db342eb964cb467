//! What is measured on each namespace node, one node after the other.

use crate::Outcome;
use crate::memory::Memory;
use crate::node::Node;
use crate::rig::{ADDED_PORT, Rig, SECOND, WEB_PORT};
use crate::samples::Samples;
use crate::starts::Starts;
use crate::table::Table;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// A node is left alone for so long before its memory counts as that of an idle one.
const REST: Duration = Duration::from_secs(5);
/// So many times a container is added to each node.
const ADDITIONS: u32 = 3;
/// Bytes of a megabyte.
const MB: f64 = 1e6;
/// Units whose work is the agent's share of a boot.
const AGENT_UNITS: [&str; 2] = ["orlop-render.service", "orlopd.service"];

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    first_boot: Samples,
    boot: Samples,
    boot_to_web: Samples,
    agent_units: [Samples; 2],
    idle: MemorySamples,
    staged: MemorySamples,
    stage_peak: Samples,
    stage: Samples,
    stage_rate: Samples,
    stage_received: Samples,
    commit: Samples,
    added: Samples,
    pub(crate) starts: Starts,
}

#[derive(Debug, Default)]
struct MemorySamples {
    resident: Samples,
    proportional: Samples,
    anonymous: Samples,
}

impl MemorySamples {
    fn push(&mut self, memory: Memory) {
        self.resident.push(memory.resident);
        self.proportional.push(memory.proportional);
        self.anonymous.push(memory.anonymous);
    }
}

fn seconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

impl Rounds {
    /// Measures one more node; `image_bytes` is the size of the whole OS image.
    pub(crate) fn add(
        &mut self,
        rig: &Rig,
        number: u32,
        starts: u32,
        image_bytes: u64,
    ) -> Outcome<()> {
        let (node, begun) = Node::boot(rig, number)?;
        node.wait_ready()?;
        self.first_boot.push(seconds(begun));
        node.wait_settled(None)?;
        thread::sleep(REST);
        self.idle.push(node.agent()?.memory()?);
        self.starts.measure(&node, starts)?;
        for _ in 0..ADDITIONS {
            self.add_container(rig, &node)?;
        }
        let generation = self.stage(rig, &node, image_bytes)?;
        let begun = Instant::now();
        node.start("/v1/update/apply", &json!({}))?;
        node.wait_committed(generation)?;
        self.commit.push(seconds(begun));
        node.wait_settled(Some(generation))?;
        self.boot_again(&node)
    }

    /// A container more, by the config, and away again.
    fn add_container(&mut self, rig: &Rig, node: &Node<'_>) -> Outcome<()> {
        let begun = Instant::now();
        let with = json!({ "config": rig.config_with_added() });
        let job = node.start("/v1/config/apply", &with)?;
        node.wait_port(ADDED_PORT)?;
        self.added.push(seconds(begun) * 1e3);
        node.wait_settled(Some(node.finish(job)?))?;
        let job = node.start("/v1/config/apply", &json!({ "config": rig.config() }))?;
        node.wait_settled(Some(node.finish(job)?))?;
        Ok(())
    }

    fn stage(&mut self, rig: &Rig, node: &Node<'_>, image_bytes: u64) -> Outcome<u64> {
        let agent = node.agent()?;
        let before = node.received_bytes()?;
        agent.reset_peak()?;
        let begun = Instant::now();
        let os = rig.image(&format!("orlop/os:{SECOND}"));
        let job = node.start("/v1/update/stage", &json!({ "os": os }))?;
        let generation = node.finish(job)?;
        let took = seconds(begun);
        self.stage.push(took);
        self.stage_rate.push(image_bytes as f64 / MB / took);
        let received = node.received_bytes()? - before;
        self.stage_received.push(received as f64 / MB);
        let memory = agent.memory()?;
        self.stage_peak.push(memory.peak);
        self.staged.push(memory);
        Ok(generation)
    }

    fn boot_again(&mut self, node: &Node<'_>) -> Outcome<()> {
        let begun = node.reboot_cold()?;
        node.wait_ready()?;
        self.boot.push(seconds(begun));
        node.wait_port(WEB_PORT)?;
        self.boot_to_web.push(seconds(begun));
        for (unit, samples) in AGENT_UNITS.iter().zip(&mut self.agent_units) {
            let stamp =
                |name: &str| -> Outcome<f64> { Ok(node.property(Some(unit), name)?.parse()?) };
            let micros =
                stamp("ActiveEnterTimestampMonotonic")? - stamp("ExecMainStartTimestampMonotonic")?;
            samples.push(micros / 1e3);
        }
        Ok(())
    }

    pub(crate) fn memory_table(&self) -> Table {
        let mut table = Table::new(&["agent, MiB", "median", "least", "most", "nodes"]);
        let rows = [
            ("**idle, resident (RSS)**", &self.idle.resident),
            ("idle, proportional (PSS)", &self.idle.proportional),
            ("idle, anonymous part of RSS", &self.idle.anonymous),
            ("**peak RSS while an OS image is staged**", &self.stage_peak),
            ("after that, RSS", &self.staged.resident),
            ("after that, PSS", &self.staged.proportional),
            ("after that, anonymous part of RSS", &self.staged.anonymous),
        ];
        for (what, samples) in rows {
            table.measured(what, &samples.cells(1));
        }
        table
    }

    pub(crate) fn boot_table(&self) -> Table {
        let mut table = Table::new(&["namespace node", "median", "least", "most", "boots"]);
        let rows = [
            ("first boot, start to first API answer, s", &self.first_boot),
            ("later boot, power on to first API answer, s", &self.boot),
            (
                "later boot, power on to the container's first answer, s",
                &self.boot_to_web,
            ),
        ];
        for (what, samples) in rows {
            table.measured(what, &samples.cells(2));
        }
        for (unit, samples) in AGENT_UNITS.iter().zip(&self.agent_units) {
            let what = format!("of which `{unit}`, from exec to ready, ms");
            table.measured(&what, &samples.cells(0));
        }
        table
    }

    pub(crate) fn update_table(&self) -> Table {
        let mut table = Table::new(&["update", "median", "least", "most", "updates"]);
        let rows = [
            ("stage: request to done, s", &self.stage, 2),
            (
                "stage: size of the image by that time, MB/s",
                &self.stage_rate,
                1,
            ),
            (
                "stage: received over the network, MB",
                &self.stage_received,
                1,
            ),
            (
                "apply: request, live swap, gate (holds 1 s), committed, s",
                &self.commit,
                2,
            ),
        ];
        for (what, samples, digits) in rows {
            table.measured(what, &samples.cells(digits));
        }
        table
    }

    pub(crate) fn added_table(&self) -> Table {
        let mut table = Table::new(&["through the API", "median", "least", "most", "times"]);
        let what = "config with one more container applied, until it answers HTTP, ms";
        table.measured(what, &self.added.cells(0));
        table
    }
}
