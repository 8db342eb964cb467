//! `orlop job`: one job.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::Screen;
use crate::table::Fields;
use crate::wait;
use orlop_api::{Job, JobState};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its number.
    number: u64,
    /// Cancel it; what it has fetched is kept for the next try.
    #[arg(long)]
    cancel: bool,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let path = format!("/v1/jobs/{}", options.number);
    let job: Job = if options.cancel {
        client
            .post_bytes(&format!("{path}/cancel"), hyper::body::Bytes::new())
            .await?
    } else {
        client.get(&path).await?
    };
    screen.show(&job, |screen| text(screen, &job))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, job: &Job) -> String {
    let mut fields = Fields::new();
    fields.add("job", job.id.to_string());
    fields.add("operation", job.operation.as_str());
    fields.add("asked by", &job.caller);
    fields.add("state", state_text(job));
    if let JobState::Failed { fault } = &job.state {
        for hint in &fault.hints {
            fields.add("hint", hint);
        }
    }
    fields.render(screen)
}

/// `running: fetching os:2  1.5 MiB of 3.0 MiB, 50 %`.
pub(crate) fn state_text(job: &Job) -> String {
    match &job.state {
        JobState::Running { progress } => {
            format!("running: {}{}", progress.step, wait::amount(progress))
        }
        JobState::Done { summary, .. } => format!("done: {summary}"),
        JobState::Failed { fault } => format!("failed: {fault}"),
    }
}

/// What came of a job that is done.
pub(crate) fn summary(job: &Job) -> String {
    match &job.state {
        JobState::Done { summary, .. } => summary.clone(),
        JobState::Running { .. } | JobState::Failed { .. } => state_text(job),
    }
}
