//! `orlop config show`: the TOML that the node runs.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::ConfigView;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let config: ConfigView = client.get("/v1/config").await?;
    screen.show(&config, |_| config.text.clone())?;
    Ok(Ending::Done)
}
