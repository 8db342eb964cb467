//! `orlop update stage`: fetch and verify a generation.

use super::{Outcome, change, toml_file};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::StageRequest;
use std::path::PathBuf;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The OS image, such as `registry.example.com/orlop/os:2`; without it, the config's.
    reference: Option<String>,
    /// The TOML for it; without it, the current one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Wait until it is staged (the default).
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return at once, with the number of the job.
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: Options) -> Outcome {
    let config = options.config.as_deref().map(toml_file::read).transpose()?;
    let request = StageRequest {
        os: options.reference,
        config,
    };
    let answer = client.post("/v1/update/stage", &request).await?;
    change::finish(client, screen, answer, options.no_wait).await
}
