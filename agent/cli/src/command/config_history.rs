//! `orlop config history`: every config on record.

use super::{Ending, Outcome, generations};
use crate::client::Client;
use crate::moment::time;
use crate::screen::Screen;
use crate::table::{Cell, Table};
use orlop_api::ConfigEntry;

/// So many digits of a digest tell configs of one node apart.
const DIGEST_CHARS: usize = 19;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let entries: Vec<ConfigEntry> = client.get("/v1/config/history").await?;
    screen.show(&entries, |screen| text(screen, &entries))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, entries: &[ConfigEntry]) -> String {
    let mut table = Table::new(&["", "GENERATION", "STATUS", "CONFIG", "CREATED", "ORIGIN"]);
    for entry in entries {
        let digest: String = entry.digest.chars().take(DIGEST_CHARS).collect();
        table.row(vec![
            if entry.current { "*" } else { "" }.into(),
            entry.generation.into(),
            Cell::toned(entry.status, Some(generations::tone(entry.status))),
            digest.into(),
            time(entry.created).into(),
            entry.origin.as_str().into(),
        ]);
    }
    table.render(screen)
}
