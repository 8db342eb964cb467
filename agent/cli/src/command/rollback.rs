//! `orlop rollback`: the switch to an earlier generation.

use super::{Outcome, change};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::RollBackRequest;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The generation to go back to; without it, the newest good one before the current.
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    #[command(flatten)]
    change: change::Switch,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let request = RollBackRequest {
        to: options.to,
        mode: options.change.mode(),
        dry_run: options.change.dry_run,
    };
    change::carry_out(client, screen, "/v1/rollback", &request, &options.change).await
}
