//! `orlop-image push`: an image of a layout directory to a registry.

use crate::failure::Failure;
use clap::Args;
use orlop_config::ImageRef;
use orlop_image::PullOptions;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Pushes an image of an OCI image layout directory to a registry.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The layout directory
    #[arg(value_name = "DIR")]
    layout: PathBuf,
    /// Where to, with a tag: registry.example.com/orlop/os:1
    #[arg(value_name = "IMAGE")]
    target: ImageRef,
    /// The image's tag in the layout; not needed if it is the only one
    #[arg(long)]
    tag: Option<String>,
    /// Plain HTTP instead of TLS; loopback addresses need no leave for it
    #[arg(long)]
    plain_http: bool,
    /// PEM file of a CA to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What a push cannot do.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("cannot read the CA {}", .path.display())]
    Ca { path: PathBuf, source: io::Error },
    #[error("cannot start the network")]
    Runtime(#[from] io::Error),
}

/// Sends what the registry lacks, then the manifest, and prints the pushed image by digest.
pub(crate) fn run(args: &PushArgs) -> Result<(), Failure> {
    let ca = match &args.ca {
        Some(path) => Some(fs::read_to_string(path).map_err(|source| PushError::Ca {
            path: path.clone(),
            source,
        })?),
        None => None,
    };
    let options = PullOptions::for_registry(args.plain_http, ca);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(PushError::Runtime)?;
    let work = orlop_image::push(&args.layout, args.tag.as_deref(), &args.target, &options);
    let pushed = runtime.block_on(work)?;
    eprintln!("sent {} blobs, {} bytes", pushed.blobs, pushed.bytes);
    println!("{}@{}", args.target, pushed.manifest);
    Ok(())
}
