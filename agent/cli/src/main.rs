//! `orlop`: the operator's command. Talks to the agent of this machine through its unix socket, or
//! to another node's over TLS.

mod args;
mod client;
mod command;
mod moment;
mod screen;
mod table;
mod wait;

use args::Args;
use clap::Parser;
use command::Ending;
use orlop_api::{Fault, FaultKind};
use screen::Screen;
use std::process::ExitCode;

/// The exit code where a switch was carried out and its trial failed.
const EXIT_TRIAL_FAILED: u8 = 9;
/// The exit code of `config import --strict` where something was left out.
const EXIT_LEFT_OUT: u8 = 10;

fn main() -> ExitCode {
    let args = Args::parse();
    let screen = Screen::new(args.json);
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(FaultKind::Internal, format!("cannot start: {error}")))
        .and_then(|runtime| {
            let result = runtime.block_on(command::run(args, &screen));
            // Reading stdin cannot be called off: what nobody types is not waited for.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::BadConfig) => ExitCode::from(FaultKind::Config.exit_code()),
        Ok(Ending::LeftOut) => ExitCode::from(EXIT_LEFT_OUT),
        Ok(Ending::Exited(status)) => ExitCode::from(status),
        Ok(Ending::TrialFailed) => ExitCode::from(EXIT_TRIAL_FAILED),
        Err(fault) => {
            screen.fault(&fault);
            ExitCode::from(fault.kind.exit_code())
        }
    }
}
