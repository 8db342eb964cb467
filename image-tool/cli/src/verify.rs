//! `orlop-image verify`: every digest of a layout directory.

use crate::failure::Failure;
use clap::Args;
use orlop_image::verify_layout;
use std::path::PathBuf;

/// Reads everything in an OCI image layout directory and checks it against its digests.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The layout directory
    #[arg(value_name = "DIR")]
    layout: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Checks manifests, configs, layers, and the tars in the layers.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let report = verify_layout(&args.layout)?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "{} images, {} layers, {} bytes: all as their digests say",
            report.images, report.layers, report.bytes
        );
    }
    Ok(())
}
