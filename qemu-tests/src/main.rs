//! `orlop-machine`: machines for tests, also for people to play with.

mod commands;
mod stderr_log;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    stderr_log::install();
    match commands::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("orlop-machine: {}", orlop_machines::error_text(&*error));
            ExitCode::FAILURE
        }
    }
}
