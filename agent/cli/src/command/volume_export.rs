//! `orlop volume export`: a volume's content as a tar archive.

use super::{Ending, Outcome, archive_file, volume_name};
use crate::client::Client;
use std::path::PathBuf;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The volume.
    name: String,
    /// Where the archive goes; without it, or with `-`, to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(client: &Client, options: &Options) -> Outcome {
    let name = volume_name(&options.name)?;
    let sink = archive_file::Sink::ready(options.output.as_deref())?;
    let path = format!("/v1/volumes/{name}/export");
    sink.fill(client.get_archive(&path).await?).await?;
    Ok(Ending::Done)
}
