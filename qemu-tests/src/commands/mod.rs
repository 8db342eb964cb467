//! The command line.

mod console;
mod exec;
mod list;
mod samples;
mod stages;
mod start;
mod stop;
mod sweep;

use clap::{Parser, Subcommand};
use orlop_machines::{DEFAULT_HOME, Home};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a command gives back: its exit code.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Machines for tests, also for people to play with.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Folder of the machines.
    #[arg(long, global = true, value_name = "DIR", default_value = DEFAULT_HOME)]
    home: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot a node and leave it running.
    Start(start::Options),
    /// Stop a node; its folder, with disk and logs, stays.
    Stop(stop::Options),
    /// Show the nodes and how they stand.
    List(list::Options),
    /// Print what came out of a node's console.
    Console(console::Options),
    /// Run a program in a namespace node, or the host's `orlop` against a QEMU node.
    Exec(exec::Options),
    /// Write an OCI layout with a small web server, to try containers with.
    Samples(samples::Options),
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
        let program = std::env::current_exe()?;
        let home = |path: &Path| Home::open(path, &program);
        match self.command {
            Command::Start(options) => start::run(&home(&self.home)?, &program, &options),
            Command::Stop(options) => stop::run(&home(&self.home)?, &options),
            Command::List(options) => list::run(&home(&self.home)?, &options),
            Command::Console(options) => console::run(&home(&self.home)?, &options),
            Command::Exec(options) => exec::run(&home(&self.home)?, &program, &options),
            Command::Samples(options) => samples::run(&program, &options),
            Command::Sweep => sweep::run(),
            Command::Supervise { dir } => stages::supervise(&dir),
            Command::Launch { plan } => stages::launch(&plan),
            Command::Init { plan } => stages::init(&plan),
            Command::Enter(enter) => stages::enter(&enter),
        }
    }
}
