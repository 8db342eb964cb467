//! `orlop container inspect`: everything about a container, as JSON.

use super::{Outcome, container_name, print_json};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::ContainerDetail;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The container.
    name: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = container_name(&options.name)?;
    let detail: ContainerDetail = client.get(&format!("/v1/containers/{name}")).await?;
    print_json(screen, &detail)
}
