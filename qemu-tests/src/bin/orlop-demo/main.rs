//! `orlop-demo`: the whole story, told by a real machine.
//!
//! Version 1 boots through UEFI; version 2 is staged, applied and kept; version 3 brings a container that
//! never becomes healthy, version 4 a kernel that panics, and both are thrown out by the node itself.

mod node;
mod report;
mod story;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Boots a node in QEMU and shows a good update and two bad ones. `make demo` builds what it needs.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// OCI layout with the OS images 1 to 4.
    #[arg(long, value_name = "DIR", default_value = "build/images/os")]
    os: PathBuf,
    /// OCI layout with the sample containers 1 and 2-sick.
    #[arg(long, value_name = "DIR", default_value = "build/images/app")]
    app: PathBuf,
    /// Where disk and logs go; emptied first.
    #[arg(long, value_name = "DIR", default_value = "build/demo")]
    dir: PathBuf,
    /// Leave disk image, TOMLs and keys when all went well.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    match story::tell(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orlop-demo: {}", orlop_machines::error_text(&*error));
            ExitCode::FAILURE
        }
    }
}
