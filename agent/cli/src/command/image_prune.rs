//! `orlop image prune`: remove every image that no generation and no container needs.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::moment::bytes;
use crate::screen::{Screen, plain};
use orlop_api::Freed;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let freed: Freed = client.post_and_wait("/v1/images/prune", &()).await?;
    screen.show(&freed, |_| text(&freed))?;
    Ok(Ending::Done)
}

/// What was removed, and how much room that gave.
pub(crate) fn text(freed: &Freed) -> String {
    let removed = freed.images.iter();
    let mut text: String = removed
        .map(|image| format!("removed {}\n", plain(image)))
        .collect();
    text.push_str(&format!("freed {}\n", bytes(freed.bytes)));
    text
}
