//! `orlop image ls`: the images in the node's store.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::moment::bytes;
use crate::screen::Screen;
use crate::table::Table;
use orlop_api::StoredImage;

/// So much of a digest tells images apart.
const DIGITS: usize = "sha256:".len() + 12;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let list: Vec<StoredImage> = client.get("/v1/images").await?;
    screen.show(&list, |screen| text(screen, &list))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, list: &[StoredImage]) -> String {
    let mut table = Table::new(&["IMAGE", "DIGEST", "KIND", "VERSION", "SIZE", "NEEDED BY"]);
    for one in list {
        let mut needed = one.used_by.clone();
        if one.pulled {
            needed.push("pulled by hand".to_owned());
        }
        table.row(vec![
            one.reference.as_str().into(),
            one.manifest.get(..DIGITS).unwrap_or(&one.manifest).into(),
            one.kind.as_str().into(),
            one.version.as_deref().unwrap_or("-").into(),
            bytes(one.size_bytes).into(),
            if needed.is_empty() {
                "-".into()
            } else {
                needed.join(", ").into()
            },
        ]);
    }
    table.render(screen)
}
