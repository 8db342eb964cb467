//! `orlop volume ls`: the volumes, and what uses them.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::moment::bytes;
use crate::screen::Screen;
use crate::table::Table;
use orlop_api::VolumeView;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let list: Vec<VolumeView> = client.get("/v1/volumes").await?;
    screen.show(&list, |screen| text(screen, &list))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, list: &[VolumeView]) -> String {
    let mut table = Table::new(&[
        "NAME",
        "STATE",
        "USED",
        "LIMIT",
        "CONTAINERS",
        "GENERATIONS",
    ]);
    for one in list {
        let state = match (one.made, one.declared) {
            (true, true) => "in use",
            (true, false) => "not declared",
            (false, _) => "not made yet",
        };
        let ids: Vec<String> = one.generations.iter().map(u64::to_string).collect();
        let size = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), bytes);
        let or_none = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        table.row(vec![
            one.name.as_str().into(),
            state.into(),
            size(one.counted_bytes).into(),
            size(one.limit_bytes).into(),
            or_none(one.containers.join(",")).into(),
            or_none(ids.join(",")).into(),
        ]);
    }
    table.render(screen)
}
