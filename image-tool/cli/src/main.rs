//! `orlop-image`: makes, looks at, moves and serves Orlop's images.

mod build;
mod disk;
mod failure;

use clap::{Parser, Subcommand};
use failure::Failure;
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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Build(args) => build::run(&args),
        Command::Disk(args) => disk::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
