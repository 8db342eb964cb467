//! `orlop-machine samples`.

use super::Outcome;
use orlop_machines::{Sample, write_samples};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `samples`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where to write the OCI layout.
    dir: PathBuf,
    /// A version, which is the image's tag too; one that ends in `sick` is never healthy.
    #[arg(long = "version", value_name = "VERSION", default_values = ["1", "2", "2-sick"])]
    versions: Vec<String>,
}

/// Writes a layout with images of a small web server.
pub(super) fn run(program: &Path, options: &Options) -> Outcome {
    let samples: Vec<_> = options
        .versions
        .iter()
        .map(|version| Sample {
            version,
            sick: version.ends_with("sick"),
        })
        .collect();
    write_samples(
        &options.dir,
        &program.with_file_name("orlop-test-app"),
        &samples,
    )?;
    Ok(ExitCode::SUCCESS)
}
