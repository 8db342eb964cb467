//! What the demo prints: each step with its time, and a summary.

use std::error::Error;
use std::time::{Duration, Instant};

/// The steps so far.
pub(crate) struct Report {
    begun: Instant,
    steps: Vec<(String, Duration)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// Carries out a step and prints what it did and how long it took.
    pub(crate) fn step<T>(
        &mut self,
        title: &str,
        work: impl FnOnce() -> Result<T, Box<dyn Error>>,
    ) -> Result<T, Box<dyn Error>> {
        println!("\n==> {title}");
        let begun = Instant::now();
        let result = work();
        let took = begun.elapsed();
        let outcome = if result.is_ok() { "done" } else { "FAILED" };
        println!("    {outcome} in {:.1} s", took.as_secs_f32());
        self.steps.push((title.to_owned(), took));
        result
    }

    /// Prints the summary.
    pub(crate) fn summary(&self) {
        println!("\nSummary");
        for (title, took) in &self.steps {
            println!("  {:>7.1} s  {title}", took.as_secs_f32());
        }
        println!("  {:>7.1} s  in all", self.begun.elapsed().as_secs_f32());
    }
}

/// Prints what a command said, set off from the demo's own words.
pub(crate) fn quote(text: &str) {
    for line in text.lines() {
        println!("    | {line}");
    }
}
