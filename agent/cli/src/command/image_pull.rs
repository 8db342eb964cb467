//! `orlop image pull`: fetch an image, for no generation.

use super::{Outcome, change};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::ImageRequest;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The image, such as `registry.example.com/web:1.4`.
    image: String,
    /// Return at once, with the number of the job.
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: Options) -> Outcome {
    let request = ImageRequest {
        image: options.image,
    };
    let answer = client.post("/v1/images/pull", &request).await?;
    change::finish(client, screen, answer, options.no_wait).await
}
