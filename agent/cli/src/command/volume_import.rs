//! `orlop volume import`: make a tar archive a volume's content.

use super::{Ending, Outcome, archive_file, volume_name};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::VolumeView;
use std::path::PathBuf;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The volume; it need not be there yet.
    name: String,
    /// The archive; without it, or with `-`, stdin.
    file: Option<PathBuf>,
    /// Throw away what is in the volume.
    #[arg(long)]
    replace: bool,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = volume_name(&options.name)?;
    let archive = archive_file::source(options.file.as_deref()).await?;
    let path = format!("/v1/volumes/{name}/import?replace={}", options.replace);
    let view: VolumeView = client.send_archive(&path, archive).await?;
    screen.show(&view, |_| format!("volume {name} holds the archive\n"))?;
    Ok(Ending::Done)
}
