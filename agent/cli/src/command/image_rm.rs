//! `orlop image rm`: remove an image that nothing needs.

use super::{Ending, Outcome, image_prune};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{Freed, ImageRequest};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its reference, or the beginning of its digest.
    image: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: Options) -> Outcome {
    let request = ImageRequest {
        image: options.image,
    };
    let freed: Freed = client.post_and_wait("/v1/images/remove", &request).await?;
    screen.show(&freed, |_| image_prune::text(&freed))?;
    Ok(Ending::Done)
}
