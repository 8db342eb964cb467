//! `orlop-machine sweep`.

use super::Outcome;
use std::process::ExitCode;

/// Removes what killed machines left behind, and prints it.
pub(super) fn run() -> Outcome {
    for path in orlop_machines::sweep()? {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
