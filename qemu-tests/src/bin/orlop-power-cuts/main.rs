//! `orlop-power-cuts`: what is on a node's disk when the power goes, at any moment of an update.

mod boots;
mod check;
mod cuts;
mod disk;
mod esp;
mod ext4;
mod fat;
mod fields;
mod fsck;
mod partitions;
mod random;
mod recording;
mod report;
mod run;
mod state;
mod store;
mod story;
#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;
mod verity;
mod window;

use crate::cuts::Plan;
use crate::recording::Recording;
use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// What a step comes to.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Records every write of an update and a roll back in QEMU, rebuilds the disk as a power cut could have
/// left it, thousands of times, and checks each. `make power-cuts` builds what it needs.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// OCI layout with the OS images 1 and 2.
    #[arg(long, value_name = "DIR", default_value = "build/images/os")]
    os: PathBuf,
    /// OCI layout with the sample container 1.
    #[arg(long, value_name = "DIR", default_value = "build/images/app")]
    app: PathBuf,
    /// Where the recording is kept.
    #[arg(long, value_name = "DIR", default_value = "build/power-cuts")]
    dir: PathBuf,
    /// Check the recording that is there, instead of making one.
    #[arg(long)]
    keep: bool,
    /// Cuts between flushes; there is one at every flush besides.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    between: usize,
    /// Repeats a run's choice of cuts.
    #[arg(long, value_name = "N", env = "ORLOP_TEST_SEED")]
    seed: Option<u64>,
    /// Disks that are checked at the same time; each takes a gigabyte of memory.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Check this cut alone, and leave its disk as `cut.img` beside the recording.
    #[arg(long, value_name = "ID")]
    only: Option<usize>,
    /// Boot the disks of so many cuts in QEMU.
    #[arg(long, value_name = "N", default_value_t = 0)]
    boot: usize,
    /// Machines that boot at the same time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    boot_jobs: usize,
    /// Put the table into this document.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("orlop-power-cuts: {}", orlop_machines::error_text(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Whether every cut is survived.
fn run(options: &Options) -> Outcome<bool> {
    if !options.keep {
        story::record(options)?;
    }
    let recording = Recording::read(&options.dir)?;
    let seed = options
        .seed
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}: ORLOP_TEST_SEED={seed} repeats this choice of cuts");
    let plan = Plan::of(&recording, options.between, seed)?;
    if let Some(id) = options.only {
        let found = run::write_image(&recording, &plan, id, &options.dir.join("cut.img"))?;
        println!("{found:#?}");
        return Ok(found.checked.failures.is_empty());
    }
    println!(
        "checking {} cuts, {} of them at flushes",
        plan.cuts.len(),
        plan.flushes()
    );
    let began = Instant::now();
    let found = run::check_all(&recording, &plan, options.threads)?;
    let took = began.elapsed();
    report::print_failures(&recording, &found);
    let booted = boots::boot(&recording, &plan, &found, options.boot, options.boot_jobs)?;
    let (table, good) = report::table(&recording, &plan, &found, &booted, took)?;
    println!("\n{table}");
    if let Some(document) = &options.write {
        report::write(document, &table)?;
    }
    Ok(good)
}
