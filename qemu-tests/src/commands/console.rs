//! `orlop-machine console`.

use super::Outcome;
use orlop_machines::{CONSOLE_FILE, Home, POLL};
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

/// Options of `console`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The node's name.
    name: String,
    /// Go on with what comes, until interrupted or the node is stopped.
    #[arg(short, long)]
    follow: bool,
}

/// Prints a node's console.
pub(super) fn run(home: &Home, options: &Options) -> Outcome {
    let (_, machine) = home.find(&options.name)?;
    let path = machine.dir().join(CONSOLE_FILE);
    let mut log = File::open(&path)
        .map_err(|error| format!("cannot read the console {}: {error}", path.display()))?;
    let mut out = io::stdout().lock();
    loop {
        // Asked before the copy: what was written before the end is copied then.
        let runs = machine.status().is_ok();
        io::copy(&mut log, &mut out)?;
        out.flush()?;
        if !options.follow || !runs {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(POLL);
    }
}
