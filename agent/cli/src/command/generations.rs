//! `orlop generations`: every generation on record, and pinning.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::moment::time;
use crate::screen::{Screen, Tone};
use crate::table::{Cell, Table};
use orlop_api::{Fault, GenerationStatus, GenerationView};

/// How many digits of a digest people see.
const SHORT_DIGEST: usize = 12;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    change: Option<Pinning>,
}

/// `orlop generations pin` and `unpin`.
#[derive(Debug, clap::Subcommand)]
enum Pinning {
    /// Keep a good generation until it is unpinned.
    Pin {
        /// Its number.
        generation: u64,
    },
    /// Keep a generation no longer than others.
    Unpin {
        /// Its number.
        generation: u64,
    },
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let list: Vec<GenerationView> = match options.change {
        None => client.get("/v1/generations").await?,
        Some(Pinning::Pin { generation }) => change(client, generation, "pin").await?,
        Some(Pinning::Unpin { generation }) => change(client, generation, "unpin").await?,
    };
    screen.show(&list, |screen| text(screen, &list))?;
    Ok(Ending::Done)
}

/// The change is answered with every generation.
async fn change(
    client: &Client,
    generation: u64,
    verb: &str,
) -> Result<Vec<GenerationView>, Fault> {
    let path = format!("/v1/generations/{generation}/{verb}");
    client.post_bytes(&path, hyper::body::Bytes::new()).await
}

fn text(screen: &Screen, list: &[GenerationView]) -> String {
    let mut table = Table::new(&[
        "",
        "ID",
        "STATUS",
        "OS",
        "ROOT",
        "CONTAINERS",
        "CREATED",
        "ORIGIN",
        "",
    ]);
    for one in list {
        let containers: Vec<&str> = one.containers.keys().map(String::as_str).collect();
        table.row(vec![
            if one.current { "*" } else { "" }.into(),
            one.id.into(),
            Cell::toned(one.status, Some(tone(one.status))),
            one.os.version.as_deref().unwrap_or("?").into(),
            short(&one.os.root).into(),
            if containers.is_empty() {
                "-".into()
            } else {
                containers.join(",").into()
            },
            time(one.created).into(),
            one.origin.as_str().into(),
            if one.pinned { "pinned" } else { "" }.into(),
        ]);
    }
    table.render(screen)
}

/// The colour of a status.
pub(super) fn tone(status: GenerationStatus) -> Tone {
    match status {
        GenerationStatus::Good => Tone::Good,
        GenerationStatus::Staged | GenerationStatus::Trial => Tone::Busy,
        GenerationStatus::Failed => Tone::Bad,
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(SHORT_DIGEST).collect()
}
