//! `orlop-bench`: what the OS image, the agent and a container's start cost, measured on real
//! machines, next to podman and containerd, and written down as docs/benchmarks.md has it.

mod answer;
mod groups;
mod image_size;
mod inside;
mod memory;
mod node;
mod peers;
mod qemu_boot;
mod report;
mod rig;
mod rounds;
mod samples;
mod starts;
mod surroundings;
mod swaps;
mod table;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a step gives; the error is for people.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures the OS image and the agent. `make bench` builds what it needs.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// OCI layout with the OS images 1 and 2.
    #[arg(long, value_name = "DIR", default_value = "build/images/os")]
    os: PathBuf,
    /// OCI layout with the sample container 1.
    #[arg(long, value_name = "DIR", default_value = "build/images/app")]
    app: PathBuf,
    /// So many nodes are booted one after the other in namespaces, each measured in every way.
    #[arg(long, value_name = "N", default_value_t = 5)]
    nodes: u32,
    /// So many times each way of starting a container takes its turn on a node.
    #[arg(long, value_name = "N", default_value_t = 5)]
    starts: u32,
    /// So many times a QEMU node boots; 0 leaves QEMU out.
    #[arg(long, value_name = "N", default_value_t = 3)]
    qemu_boots: u32,
    /// Folder with Debian's podman and containerd, as buildroot/peers.sh makes it; without, they are left out.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Writes the tables between the markers of this document, instead of printing them.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Starts a container in several ways; runs inside of a node.
    #[command(hide = true)]
    Inside(inside::Options),
    /// Measures Orlop next to podman and containerd; runs inside of a node.
    #[command(hide = true)]
    Peers(peers::Options),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Some(Part::Inside(inside)) => inside::run(inside),
        Some(Part::Peers(inside)) => peers::run(inside),
        None => report::make(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orlop-bench: {}", orlop_machines::error_text(&*error));
            ExitCode::FAILURE
        }
    }
}
