//! What every change has in common: rehearse it, start it, wait for its end.

use super::{Ending, Outcome, job, why};
use crate::client::Client;
use crate::screen::Screen;
use crate::wait::{self, Settled, SwitchWatch};
use orlop_api::{Answer, Mode, Phase, VerdictView};
use orlop_config::parse_duration;
use serde::Serialize;
use std::time::Duration;

/// Options of every switch.
#[derive(Debug, clap::Args)]
pub(crate) struct Switch {
    /// Print the plan and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How another OS image is entered: under the running containers, or by a restart of the
    /// machine; without it, as `[update] disruption` says.
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<ModeName>,
    /// Wait until the switch is decided, also over a reboot.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// With --wait: give up waiting after so many seconds.
    #[arg(long, value_name = "SECS", default_value_t = 1800)]
    timeout: u64,
}

/// The values of `--mode`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeName {
    // Comments, not docs: with docs each option of the help takes several lines.
    Live,
    Reboot,
}

impl Switch {
    /// How another OS image is to be entered, where the operator says so.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.mode.map(|mode| match mode {
            ModeName::Live => Mode::Live,
            ModeName::Reboot => Mode::Reboot,
        })
    }
}

/// The seconds of `5m`, rounded up.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let time = parse_duration(text).map_err(|error| error.why)?;
    Ok(u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
}

/// How a switch came out, as JSON.
#[derive(Serialize)]
struct Report<'a> {
    generation: Option<u64>,
    phase: Phase,
    verdict: Option<&'a VerdictView>,
}

/// Asks for the change and tells what came of it.
pub(crate) async fn carry_out<B: Serialize>(
    client: &Client,
    screen: &Screen,
    path: &str,
    request: &B,
    options: &Switch,
) -> Outcome {
    let watch = if options.wait {
        let timeout = Duration::from_secs(options.timeout);
        Some(SwitchWatch::begin(client, screen, timeout).await?)
    } else {
        None
    };
    let answer: Answer = client.post(path, request).await?;
    match (&answer, watch) {
        (Answer::Job(id), Some(watch)) => tell(screen, &watch.finish(*id).await?),
        _ => {
            show_answer(screen, &answer)?;
            Ok(Ending::Done)
        }
    }
}

/// Shows what came of a job that is no switch, when it has ended; where nobody waits, its number.
pub(crate) async fn finish(
    client: &Client,
    screen: &Screen,
    answer: Answer,
    no_wait: bool,
) -> Outcome {
    match answer {
        Answer::Job(id) if !no_wait => {
            let done = wait::job(client, screen, id).await?;
            screen.show(&done, |_| job::summary(&done))?;
        }
        answer => show_answer(screen, &answer)?,
    }
    Ok(Ending::Done)
}

/// The number of a job, or a plan.
fn show_answer(screen: &Screen, answer: &Answer) -> Result<(), orlop_api::Fault> {
    screen.show(answer, |_| match answer {
        Answer::Job(id) => format!("job {id}"),
        Answer::Plan(plan) => plan.clone(),
    })
}

fn tell(screen: &Screen, settled: &Settled) -> Outcome {
    let report = Report {
        generation: settled
            .status
            .current
            .as_ref()
            .map(|generation| generation.id),
        phase: settled.status.phase,
        verdict: settled.verdict.as_ref(),
    };
    screen.show(&report, |screen| {
        let mut text = match &settled.verdict {
            Some(verdict) => why::verdict_text(screen, verdict),
            None => match report.generation {
                Some(id) => format!("generation {id} runs\n"),
                None => "no generation runs\n".to_owned(),
            },
        };
        for problem in &settled.status.problems {
            text.push_str(&format!("problem: {}\n", crate::screen::plain(problem)));
        }
        text
    })?;
    Ok(if settled.stayed {
        Ending::Done
    } else {
        Ending::TrialFailed
    })
}
