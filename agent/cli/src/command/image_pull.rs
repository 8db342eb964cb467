//! `orlop image pull`: fetch an image, for no generation.

use super::{Ending, Outcome, change, job};
use crate::client::Client;
use crate::screen::Screen;
use crate::wait;
use orlop_api::{Answer, ImageRequest};

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
    let answer: Answer = client.post("/v1/images/pull", &request).await?;
    match answer {
        Answer::Job(id) if !options.no_wait => {
            let done = wait::job(client, screen, id).await?;
            screen.show(&done, |_| job::summary(&done))?;
        }
        answer => change::show_answer(screen, &answer)?,
    }
    Ok(Ending::Done)
}
