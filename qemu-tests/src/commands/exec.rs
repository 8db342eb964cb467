//! `orlop-machine exec`.

use super::{Outcome, start};
use orlop_machines::{API_PORT, Home, Machine, MachineKind};
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

/// Options of `exec`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The node's name.
    name: String,
    /// The program and its arguments: any of the image's for a namespace node, `orlop` for a QEMU
    /// node.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs a program, and ends as it ends.
pub(super) fn run(home: &Home, program: &Path, options: &Options) -> Outcome {
    let (resident, machine) = home.find(&options.name)?;
    let command: Vec<&str> = options.command.iter().map(String::as_str).collect();
    let status = match &resident.spec.kind {
        MachineKind::Namespace(_) => machine.exec_interactive(&command)?,
        MachineKind::Qemu(qemu) => {
            let api = qemu.publish.iter().find(|publish| publish.port == API_PORT);
            let port = api.ok_or("cannot reach the node's API: its port is not published")?;
            orlop(&machine, program, port.host.port(), &command)?
        }
    };
    // A program that was killed has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A QEMU machine lets nobody in but by its API.
fn orlop(
    machine: &Machine,
    program: &Path,
    port: u16,
    command: &[&str],
) -> Result<ExitStatus, Box<dyn Error>> {
    let ["orlop", arguments @ ..] = command else {
        return Err("cannot run that in a QEMU node: only `orlop …` can be run on it".into());
    };
    let keys = start::keys(machine.dir())
        .ok_or("cannot reach the node's API: its keys are those of its own [api] table")?;
    let orlop = start::orlop_beside(program);
    let status = Command::new(&orlop)
        .args(arguments)
        .envs(keys.environment(port, &machine.console()))
        .status()
        .map_err(|error| format!("cannot run {}: {error}", orlop.display()))?;
    Ok(status)
}
