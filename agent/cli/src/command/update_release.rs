//! `orlop update release`: let the agent try an image again that failed.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::{Screen, plain};
use orlop_api::{HeldView, ReleaseRequest};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Digest of the image, or the beginning of it; `orlop status` lists those on hold.
    digest: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: Options) -> Outcome {
    let request = ReleaseRequest {
        digest: options.digest,
    };
    let released: HeldView = client.post("/v1/update/release", &request).await?;
    screen.show(&released, |_| {
        let name = released.reference.as_deref().unwrap_or("an image");
        plain(&format!("released {name} {}\n", released.manifest))
    })?;
    Ok(Ending::Done)
}
