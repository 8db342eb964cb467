//! What was measured of each engine, as lines of JSON and as a table.

use crate::Outcome;
use crate::samples::Samples;
use crate::table::Table;
use serde::{Deserialize, Serialize};

/// Who runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    Orlop,
    Podman,
    Containerd,
}

/// What is measured of it, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// Milliseconds until a new container answers.
    Run,
    /// Milliseconds until a stopped one answers again.
    Start,
    /// Milliseconds until the command that stops one has ended.
    Stop,
    /// Seconds until many new ones have answered.
    RunMany,
    /// Seconds until they are gone.
    RemoveMany,
    /// MiB of all that is not the workload, with one container.
    MemoryOfOne,
    /// The same with many.
    MemoryOfMany,
    /// Seconds that a pull took.
    Pull,
    /// Seconds of processor that it took.
    PullCpu,
    /// MiB that were resident at its most.
    PullPeak,
}

/// Each figure with its row's name and digits.
const ROWS: [(Figure, &str, usize); 10] = [
    (
        Figure::Run,
        "**new container, until it answers HTTP, ms**",
        0,
    ),
    (
        Figure::Start,
        "**stopped container started, until it answers HTTP, ms**",
        0,
    ),
    (Figure::Stop, "container stopped, ms", 0),
    (
        Figure::RunMany,
        "50 new containers, until all answer HTTP, s",
        2,
    ),
    (
        Figure::RemoveMany,
        "50 containers stopped and removed, s",
        2,
    ),
    (
        Figure::MemoryOfOne,
        "memory besides the workload, 1 idle container, MiB",
        1,
    ),
    (
        Figure::MemoryOfMany,
        "**memory besides the workload, 20 idle containers, MiB**",
        1,
    ),
    (Figure::Pull, "**pull of 250 MB (500 MB unpacked), s**", 2),
    (Figure::PullCpu, "the same, processor time, s", 2),
    (Figure::PullPeak, "**the same, peak RSS, MiB**", 1),
];

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) peer: Peer,
    pub(crate) figure: Figure,
    pub(crate) value: f64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Records(Vec<Record>);

impl Records {
    /// From lines of JSON.
    pub(crate) fn read(lines: &str) -> Outcome<Self> {
        let read = |line| Ok(serde_json::from_str(line)?);
        lines.lines().map(read).collect::<Outcome<_>>().map(Self)
    }

    fn median(&self, peer: Peer, figure: Figure) -> Option<f64> {
        let of = |record: &&Record| record.peer == peer && record.figure == figure;
        let samples: Samples = self
            .0
            .iter()
            .filter(of)
            .map(|record| record.value)
            .collect();
        samples.median()
    }

    /// Medians, and how many times Orlop's the others' are.
    pub(crate) fn table(&self) -> Table {
        let head = [
            "median",
            "Orlop",
            "podman",
            "ctr",
            "podman / Orlop",
            "ctr / Orlop",
        ];
        let mut table = Table::new(&head);
        for (figure, name, digits) in ROWS {
            let of = |peer| self.median(peer, figure);
            let all = [of(Peer::Orlop), of(Peer::Podman), of(Peer::Containerd)];
            let mut cells = all.map(|value| shown(value, digits)).to_vec();
            for other in &all[1..] {
                let ratio = other.zip(all[0]).map(|(other, own)| other / own);
                cells.push(shown(ratio, 2));
            }
            table.measured(name, &cells);
        }
        table
    }
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("not measured".to_owned(), |value| {
        format!("{value:.digits$}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_medians_by_orlops() {
        let lines = [
            r#"{"peer":"orlop","figure":"stop","value":10.0}"#,
            r#"{"peer":"orlop","figure":"stop","value":30.0}"#,
            r#"{"peer":"podman","figure":"stop","value":50.0}"#,
        ];
        let table = Records::read(&lines.join("\n")).unwrap().table();
        let text = table.text();
        let row = "| container stopped, ms | 20 | 50 | not measured | 2.50 | not measured |";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn every_figure_has_a_row_of_its_own() {
        for (index, (figure, _, _)) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|(other, _, _)| other != figure));
        }
    }
}
