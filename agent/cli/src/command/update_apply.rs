//! `orlop update apply`: the switch to the staged generation.

use super::{Outcome, change};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::ApplyRequest;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Go back by itself unless `orlop config confirm` comes within this time, such as 5m; it runs
    /// from the order on, over restarts too.
    #[arg(long, value_name = "TIME", value_parser = change::seconds)]
    confirm: Option<u64>,
    #[command(flatten)]
    change: change::Switch,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let request = ApplyRequest {
        mode: options.change.mode(),
        confirm_secs: options.confirm,
        dry_run: options.change.dry_run,
    };
    change::carry_out(
        client,
        screen,
        "/v1/update/apply",
        &request,
        &options.change,
    )
    .await
}
