//! `orlop container stop`, `start`, `restart` and `kill`.

use super::{Ending, Outcome, container_name};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{ContainerView, KillRequest};

/// Options of those that take nothing but a container.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The container.
    name: String,
}

/// Options of `kill`.
#[derive(Debug, clap::Args)]
pub(crate) struct KillOptions {
    /// The container.
    name: String,
    /// The signal: a name or a number.
    #[arg(short, long, default_value = "SIGKILL")]
    signal: String,
}

/// `order` is the end of the route: `stop`, `start` or `restart`.
pub(crate) async fn run(
    client: &Client,
    screen: &Screen,
    options: &Options,
    order: &str,
) -> Outcome {
    send(client, screen, &options.name, order, &()).await
}

pub(crate) async fn kill(client: &Client, screen: &Screen, options: &KillOptions) -> Outcome {
    let request = KillRequest {
        signal: Some(options.signal.clone()),
    };
    send(client, screen, &options.name, "kill", &request).await
}

async fn send<B: serde::Serialize>(
    client: &Client,
    screen: &Screen,
    name: &str,
    order: &str,
    request: &B,
) -> Outcome {
    let name = container_name(name)?;
    let path = format!("/v1/containers/{name}/{order}");
    let view: ContainerView = client.post_and_wait(&path, request).await?;
    screen.show(&view, |_| match view.detail.as_str() {
        "" => format!("{name} is {}\n", view.state),
        detail => format!("{name} is {}: {detail}\n", view.state),
    })?;
    Ok(Ending::Done)
}
