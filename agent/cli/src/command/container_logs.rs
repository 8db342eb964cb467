//! `orlop container logs`: what a container wrote.

use super::{Ending, Outcome, container_name};
use crate::client::{Client, Lines};
use crate::moment::precise_time;
use crate::screen::Screen;
use futures_util::StreamExt;
use orlop_api::LogLine;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The container.
    name: String,
    /// Go on with new lines as they come.
    #[arg(short, long)]
    follow: bool,
    /// At most so many of the newest lines; without it 100, or 10000 with --since.
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<u32>,
    /// None that is older than this: `90s`, `15m`, `2h`.
    #[arg(long, value_name = "AGO", value_parser = super::change::seconds)]
    since: Option<u64>,
    /// Put the time before each line.
    #[arg(short, long)]
    timestamps: bool,
}

/// Prints what comes from now on.
pub(crate) async fn follow(client: &Client, screen: &Screen, name: &str) -> Outcome {
    let options = Options {
        name: name.to_owned(),
        follow: true,
        lines: Some(0),
        since: None,
        timestamps: false,
    };
    run(client, screen, &options).await
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = container_name(&options.name)?;
    let mut path = format!("/v1/containers/{name}/logs?follow={}", options.follow);
    if let Some(lines) = options.lines {
        path.push_str(&format!("&lines={lines}"));
    }
    if let Some(secs) = options.since {
        path.push_str(&format!("&since_secs={secs}"));
    }
    let mut lines: Lines<LogLine> = client.lines(&path).await?;
    while let Some(line) = lines.next().await {
        let line = line?;
        screen.show_line(&line, |_| {
            if options.timestamps {
                format!("{} {}\n", precise_time(line.at_micros), line.text)
            } else {
                format!("{}\n", line.text)
            }
        })?;
    }
    Ok(Ending::Done)
}
