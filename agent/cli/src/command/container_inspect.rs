//! `orlop container inspect`: everything about a container, as JSON.

use super::{Ending, Outcome, container_name};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{ContainerDetail, Fault, FaultKind};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The container.
    name: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = container_name(&options.name)?;
    let detail: ContainerDetail = client.get(&format!("/v1/containers/{name}")).await?;
    let text = serde_json::to_string_pretty(&detail).map_err(|error| {
        let message = format!("cannot write JSON: {error}");
        Fault::new(FaultKind::Internal, message)
    })?;
    screen.data(&text)?;
    Ok(Ending::Done)
}
