//! `orlop generations`: every generation on record.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::moment::time;
use crate::screen::{Screen, Tone};
use crate::table::{Cell, Table};
use orlop_api::{GenerationStatus, GenerationView};

/// How many digits of a digest people see.
const SHORT_DIGEST: usize = 12;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let list: Vec<GenerationView> = client.get("/v1/generations").await?;
    screen.show(&list, |screen| text(screen, &list))?;
    Ok(Ending::Done)
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
