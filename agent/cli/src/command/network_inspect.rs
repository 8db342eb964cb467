//! `orlop network inspect`: everything about a network, as JSON.

use super::{Outcome, print_json};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{Fault, FaultKind, NetworkView};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The network.
    name: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let list: Vec<NetworkView> = client.get("/v1/networks").await?;
    let found = list.iter().find(|one| one.name == options.name);
    let found = found.ok_or_else(|| {
        let message = format!("cannot find network {}", options.name);
        Fault::new(FaultKind::NotFound, message).hint("`orlop network ls` lists them")
    })?;
    print_json(screen, found)
}
