//! `orlop volume rm`: remove a volume with its content.

use super::{Ending, Outcome, volume_name};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::RemoveVolumeRequest;
use serde_json::{Value, json};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The volume.
    name: String,
    /// Also where containers of other generations on record use it.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = volume_name(&options.name)?;
    let request = RemoveVolumeRequest {
        force: options.force,
    };
    let path = format!("/v1/volumes/{name}/remove");
    let _empty: Value = client.post_and_wait(&path, &request).await?;
    let removed = json!({ "removed": name.as_str() });
    screen.show(&removed, |_| format!("removed volume {name}\n"))?;
    Ok(Ending::Done)
}
