//! What each engine does.

use crate::Outcome;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Something that runs containers of the small image, each with a number that is its port on the node.
pub(crate) trait Engine {
    /// Waits until nothing of what was asked before is still under way. Not measured.
    fn rest(&self) -> Outcome<()> {
        Ok(())
    }
    /// Makes and starts containers; they need not answer yet.
    fn run(&mut self, numbers: Range<u16>) -> Outcome<()>;
    /// Stops one and keeps it.
    fn stop(&self, number: u16) -> Outcome<()>;
    /// Starts one that was stopped.
    fn start(&self, number: u16) -> Outcome<()>;
    /// Stops and removes all; none is left when this returns.
    fn remove(&mut self, numbers: Range<u16>) -> Outcome<()>;
    /// MiB of the processes that it keeps besides the workload.
    fn memory(&self) -> Outcome<f64>;
    /// Fetches an image, and removes it again after the measurement.
    fn pull(&self, image: &str) -> Outcome<Pull>;
}

/// What a pull took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
}

/// A container's name.
pub(crate) fn name(number: u16) -> String {
    format!("c{number}")
}

pub(crate) fn seconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

/// Runs a program to its end, without its talk; its error has it.
pub(crate) fn ran(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed ({}): {}", output.status, said.trim()).into())
}
