//! `orlop config apply`: a generation of this TOML, and the switch to it.

use super::{Ending, Outcome, change, toml_file};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{ApplyConfigRequest, ConfigReport};
use std::path::PathBuf;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The TOML; `-` is stdin.
    file: PathBuf,
    /// Go back by itself unless `orlop config confirm` comes within this time, such as 5m; it runs
    /// from the order on, over restarts too.
    #[arg(long, value_name = "TIME", value_parser = change::seconds)]
    confirm: Option<u64>,
    #[command(flatten)]
    change: change::Switch,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let config = toml_file::read(&options.file)?;
    // The node's own view counts: it may be of another version than this command.
    let report: ConfigReport = client
        .post_bytes("/v1/config/check", config.clone().into())
        .await?;
    if !report.ok {
        if screen.json {
            screen.show(&report, |_| String::new())?;
        } else {
            screen.talk(report.rendered.trim_end());
        }
        return Ok(Ending::BadConfig);
    }
    let request = ApplyConfigRequest {
        config,
        mode: options.change.mode(),
        confirm_secs: options.confirm,
        dry_run: options.change.dry_run,
    };
    change::carry_out(
        client,
        screen,
        "/v1/config/apply",
        &request,
        &options.change,
    )
    .await
}
