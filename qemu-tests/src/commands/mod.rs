//! The command line.

mod stages;
mod sweep;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a command gives back: its exit code.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Machines for tests, also for people to play with.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Remove what killed machines left behind.
    Sweep,
    /// Look after the machine in DIR (started by the other commands, not by people).
    #[command(hide = true)]
    Supervise {
        /// The machine's directory.
        dir: PathBuf,
    },
    /// Boot a namespace machine once (started by its supervisor).
    #[command(hide = true)]
    Launch {
        /// The plan of the boot.
        plan: PathBuf,
    },
    /// Become the init of a namespace machine (started by its launcher).
    #[command(hide = true)]
    Init {
        /// The plan of the boot.
        plan: PathBuf,
    },
    /// Run a program in a namespace machine (started by `exec`).
    #[command(hide = true)]
    Enter(stages::Enter),
}

impl Cli {
    /// Does what the command line asks for.
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::Sweep => sweep::run(),
            Command::Supervise { dir } => stages::supervise(&dir),
            Command::Launch { plan } => stages::launch(&plan),
            Command::Init { plan } => stages::init(&plan),
            Command::Enter(enter) => stages::enter(&enter),
        }
    }
}
