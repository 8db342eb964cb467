//! `orlop image inspect`: everything about an image, as JSON.

use super::{Outcome, print_json, query};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::StoredImageDetail;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its reference, or the beginning of its digest.
    image: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let path = format!(
        "/v1/images/inspect?image={}",
        query::encoded(&options.image)
    );
    let detail: StoredImageDetail = client.get(&path).await?;
    print_json(screen, &detail)
}
