//! `orlop config show`: the TOML of a generation.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::ConfigView;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// That of this generation; without it, the one that runs.
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let path = match options.generation {
        Some(id) => format!("/v1/config?generation={id}"),
        None => "/v1/config".to_owned(),
    };
    let config: ConfigView = client.get(&path).await?;
    screen.show(&config, |_| config.text.clone())?;
    Ok(Ending::Done)
}
