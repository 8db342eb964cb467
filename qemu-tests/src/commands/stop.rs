//! `orlop-machine stop`.

use super::Outcome;
use orlop_machines::{Home, MachineError, Power};
use std::process::ExitCode;
use std::time::Duration;

/// How long a node may take to shut down before its plug is pulled.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// Options of `stop`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The node's name.
    name: String,
    /// Pull the plug instead of pressing the power button.
    #[arg(long)]
    now: bool,
}

/// Stops a node.
pub(super) fn run(home: &Home, options: &Options) -> Outcome {
    let (resident, machine) = home.find(&options.name)?;
    let Some(status) = resident.status else {
        eprintln!("Node {} does not run.", options.name);
        return Ok(ExitCode::SUCCESS);
    };
    if status.power == Power::On && !options.now {
        match machine.power_off(SHUTDOWN) {
            Ok(_) => {}
            Err(MachineError::TimedOut { .. } | MachineError::Refused { .. }) => {
                eprintln!(
                    "Node {} does not shut down; pulling the plug.",
                    options.name
                );
            }
            Err(other) => return Err(other.into()),
        }
    }
    machine.stop()?;
    Ok(ExitCode::SUCCESS)
}
