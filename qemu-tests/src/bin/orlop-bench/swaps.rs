//! Live swaps next to full restarts of the same node, in the same run.

use crate::Outcome;
use crate::node::Node;
use crate::rig::{COUNTS, FIRST, Rig, SECOND, WEB_PORT};
use crate::samples::Samples;
use crate::table::Table;
use orlop_api::{Mode, Status};
use orlop_machines::{count_times, longest_gap};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// Live swaps on the node.
const LIVE: u32 = 10;
/// Restarts of the same node.
const REBOOTS: u32 = 4;
/// The node's name, among those that are numbered from 1.
const NUMBER: u32 = 0;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Swaps {
    live: Times,
    reboot: Times,
    /// Longest pauses of the counter in a swap, milliseconds.
    pauses: Samples,
}

#[derive(Debug, Default)]
struct Times {
    /// From the request to the new agent's first answer, seconds.
    api: Samples,
    /// From the request until the API and the container have answered, seconds.
    services: Samples,
}

impl Swaps {
    /// Measures on one node, back and forth between two OS images.
    pub(crate) fn measure(rig: &Rig) -> Outcome<Self> {
        rig.push_os(FIRST)?;
        let (node, _) = Node::boot_with(rig, NUMBER, &rig.config_with_counter())?;
        node.wait_ready()?;
        node.wait_settled(None)?;
        let mut swaps = Self::default();
        for number in 0..LIVE + REBOOTS {
            let version = if number % 2 == 0 { SECOND } else { FIRST };
            let mode = if number < LIVE {
                Mode::Live
            } else {
                Mode::Reboot
            };
            swaps.one(rig, &node, version, mode)?;
        }
        Ok(swaps)
    }

    fn one(&mut self, rig: &Rig, node: &Node<'_>, version: &str, mode: Mode) -> Outcome<()> {
        let os = rig.image(&format!("orlop/os:{version}"));
        let job = node.start("/v1/update/stage", &json!({ "os": os }))?;
        let generation = node.finish(job)?;
        // A restarted container begins the file's numbers anew, so only live swaps look at them.
        let counted = match mode {
            Mode::Live => counts(node)?.len(),
            Mode::Reboot => 0,
        };
        let begun = Instant::now();
        node.start("/v1/update/apply", &json!({ "mode": mode }))?;
        let runs = |status: &Status| status.os_release.as_deref() == Some(version);
        node.wait_status("the other OS", runs)?;
        let times = match mode {
            Mode::Live => &mut self.live,
            Mode::Reboot => &mut self.reboot,
        };
        times.api.push(begun.elapsed().as_secs_f64());
        node.wait_port(WEB_PORT)?;
        times.services.push(begun.elapsed().as_secs_f64());
        node.wait_settled(Some(generation))?;
        if mode == Mode::Live {
            // The count before the swap is where its pause may begin.
            let counts = counts(node)?;
            let pause = longest_gap(&counts[counted.saturating_sub(1)..]);
            self.pauses.push(pause.as_secs_f64() * 1e3);
        }
        Ok(())
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&["switch of the OS", "median", "least", "most", "times"]);
        let rows = [
            (
                "**live swap, request to the new API's answer, s**",
                &self.live.api,
                2,
            ),
            (
                "live swap, request to API and container, s",
                &self.live.services,
                2,
            ),
            (
                "live swap, longest pause of a counter in a container, ms",
                &self.pauses,
                0,
            ),
            (
                "restart, request to the new API's answer, s",
                &self.reboot.api,
                2,
            ),
            (
                "restart, request to API and container, s",
                &self.reboot.services,
                2,
            ),
        ];
        for (what, samples, digits) in rows {
            table.measured(what, &samples.cells(digits));
        }
        table
    }
}

/// When the container has counted so far.
fn counts(node: &Node<'_>) -> Outcome<Vec<Duration>> {
    let path = node.state().join(COUNTS);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(count_times(&text)?)
}
