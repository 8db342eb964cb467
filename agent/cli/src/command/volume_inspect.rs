//! `orlop volume inspect`: everything about a volume, as JSON.

use super::{Outcome, print_json, volume_name};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::VolumeDetail;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The volume.
    name: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = volume_name(&options.name)?;
    let detail: VolumeDetail = client.get(&format!("/v1/volumes/{name}")).await?;
    print_json(screen, &detail)
}
