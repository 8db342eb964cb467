//! `orlop container attach`: a container's output from now on.

use super::{Outcome, container_logs, container_name};
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
    if detail.view.pid.is_none() {
        let message = format!(
            "cannot attach to container {name}: it is {}",
            detail.view.state
        );
        return Err(Fault::new(FaultKind::Refused, message)
            .hint(format!("`orlop container logs {name}` shows what it said")));
    }
    screen.talk(&format!(
        "{name} has no stdin and no terminal: this shows its output from now on; \
         `orlop container exec -it {name} -- COMMAND` runs a command in it"
    ));
    container_logs::follow(client, screen, name.as_str()).await
}
