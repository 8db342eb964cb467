//! `orlop-image`: makes, looks at, moves and serves Orlop's images.

mod build;
mod disk;
mod failure;
mod inspect;
mod push;
mod serve;
mod tool;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Makes, looks at, moves and serves Orlop's images.
#[derive(Debug, Parser)]
#[command(name = "orlop-image", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::BuildArgs),
    Disk(disk::DiskArgs),
    Inspect(inspect::InspectArgs),
    Push(push::PushArgs),
    Serve(serve::ServeArgs),
    Verify(verify::VerifyArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Build(args) => build::run(&args),
        Command::Disk(args) => disk::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Verify(args) => verify::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
