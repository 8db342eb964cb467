//! The start of a container, next to bare crun.

use crate::Outcome;
use crate::inside::{Start, WAYS, Way};
use crate::node::Node;
use crate::samples::Samples;
use crate::table::Table;
use std::fs;

/// This program, as the node sees it.
const PROGRAM: &str = "/state/orlop-bench";

/// All starts so far.
#[derive(Debug, Default)]
pub(crate) struct Starts(Vec<Start>);

impl Starts {
    /// Starts the container of `node` this many times in each way.
    pub(crate) fn measure(&mut self, node: &Node<'_>, rounds: u32) -> Outcome<()> {
        fs::copy(std::env::current_exe()?, node.state().join("orlop-bench"))?;
        let lines = node.run(&[PROGRAM, "inside", "--rounds", &rounds.to_string()])?;
        for line in lines.lines() {
            self.0.push(serde_json::from_str(line)?);
        }
        Ok(())
    }

    fn of(&self, way: Way, what: impl Fn(&Start) -> Option<f64>) -> Samples {
        let of_way = self.0.iter().filter(|start| start.way == way);
        of_way.filter_map(what).collect()
    }

    /// A row for each way: until the command returns, then until the container answers.
    pub(crate) fn table(&self) -> Table {
        let head = [
            "ms",
            "median",
            "least",
            "most",
            "starts",
            "times bare crun",
            "times crun in a unit",
        ];
        let mut table = Table::new(&head);
        self.rows(&mut table, "until the start has returned", |start| {
            Some(start.returned_ms)
        });
        self.rows(&mut table, "until the program answers HTTP", |start| {
            start.answered_ms
        });
        table
    }

    fn rows(&self, table: &mut Table, until: &str, what: impl Fn(&Start) -> Option<f64>) {
        let bare = self.of(Way::Crun, &what).median();
        let in_unit = self.of(Way::CrunInUnit, &what).median();
        for way in WAYS {
            let samples = self.of(way, &what);
            if let (Some(median), Some(bare), Some(in_unit)) = (samples.median(), bare, in_unit) {
                let mut cells = samples.cells(1).to_vec();
                cells.push(format!("{:.2}", median / bare));
                cells.push(format!("{:.2}", median / in_unit));
                table.measured(&format!("{}, {until}", name(way)), &cells);
            }
        }
    }
}

fn name(way: Way) -> &'static str {
    match way {
        Way::Crun => "bare `crun run`",
        Way::CrunInUnit => "`crun run` in a systemd unit",
        Way::Orlop => "**Orlop's unit of the container**",
        Way::UnitAlone => "a unit that only runs `crun --version`",
    }
}
