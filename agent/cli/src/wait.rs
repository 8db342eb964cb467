//! Waiting for what was started, and telling how far it is.

use crate::client::Client;
use crate::moment::{bytes, duration};
use crate::screen::{Screen, plain};
use orlop_api::{
    Fault, FaultKind, Job, JobId, JobState, Phase, Progress, Status, Trigger, VerdictView, Why,
};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// For how long a node that does not answer is asked again while a job runs on it.
const LOST_CONTACT: Duration = Duration::from_secs(60);

/// The line that tells how far something is: drawn again on a terminal, elsewhere one line a step.
pub(crate) struct ProgressLine<'a> {
    screen: &'a Screen,
    step: String,
}

impl<'a> ProgressLine<'a> {
    pub(crate) fn new(screen: &'a Screen) -> Self {
        Self {
            screen,
            step: String::new(),
        }
    }

    fn show(&mut self, step: &str, amount: &str) {
        if self.screen.live {
            self.screen.redraw(&plain(&format!("{step}{amount}")));
        } else if self.step != step {
            self.screen.talk(&plain(step));
        }
        step.clone_into(&mut self.step);
    }
}

impl Drop for ProgressLine<'_> {
    fn drop(&mut self) {
        if self.screen.live && !self.step.is_empty() {
            self.screen.redraw("");
        }
    }
}

/// ` 12.3 MiB of 40.0 MiB, 30 %`.
pub(crate) fn amount(progress: &Progress) -> String {
    match progress.total {
        Some(total) if total > 0 => {
            let percent = u128::from(progress.done.min(total)) * 100 / u128::from(total);
            format!(
                "  {} of {}, {percent} %",
                bytes(progress.done),
                bytes(total)
            )
        }
        _ if progress.done > 0 => format!("  {}", bytes(progress.done)),
        _ => String::new(),
    }
}

/// Waits until the job has ended; a job that failed is its fault.
pub(crate) async fn job(client: &Client, screen: &Screen, id: JobId) -> Result<Job, Fault> {
    let mut line = ProgressLine::new(screen);
    let mut heard = Instant::now();
    loop {
        match client.get::<Job>(&format!("/v1/jobs/{id}")).await {
            Ok(job) => {
                heard = Instant::now();
                match job.state {
                    JobState::Running { progress } => line.show(&progress.step, &amount(&progress)),
                    JobState::Done { .. } => return Ok(job),
                    JobState::Failed { fault } => return Err(fault),
                }
            }
            Err(fault) if fault.kind == FaultKind::Transient && heard.elapsed() < LOST_CONTACT => {
                line.show("waiting for the node to answer", "");
            }
            Err(fault) => return Err(fault),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// How a switch came out.
pub(crate) struct Settled {
    /// The node now.
    pub(crate) status: Status,
    /// The verdict that the switch led to, if it did.
    pub(crate) verdict: Option<VerdictView>,
    /// Whether the generation that was switched to runs.
    pub(crate) stayed: bool,
}

/// Watches a switch over reboots of the node, from before it begins.
pub(crate) struct SwitchWatch<'a> {
    client: &'a Client,
    screen: &'a Screen,
    before: Option<VerdictView>,
    deadline: Instant,
    timeout: Duration,
}

impl<'a> SwitchWatch<'a> {
    /// Notes what the node says before the switch.
    pub(crate) async fn begin(
        client: &'a Client,
        screen: &'a Screen,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let before = client.get::<Why>("/v1/why").await?.verdict;
        Ok(Self {
            client,
            screen,
            before,
            deadline: Instant::now() + timeout,
            timeout,
        })
    }

    /// Waits until the switch that this job began is decided.
    pub(crate) async fn finish(self, id: JobId) -> Result<Settled, Fault> {
        let mut line = ProgressLine::new(self.screen);
        let target = self.job_end(id, &mut line).await?;
        let (status, why) = self.settle(&mut line).await?;
        let verdict = why
            .verdict
            .filter(|verdict| self.before.as_ref() != Some(verdict));
        let current = status.current.as_ref().map(|generation| generation.id);
        let stayed = match (target, &verdict) {
            (Some(target), _) => current == Some(target),
            (None, Some(verdict)) => {
                verdict.good || matches!(verdict.trigger, Trigger::Operator { .. })
            }
            (None, None) => true,
        };
        Ok(Settled {
            status,
            verdict,
            stayed,
        })
    }

    /// The generation that the job switches to. None where the agent restarted before it was asked.
    async fn job_end(&self, id: JobId, line: &mut ProgressLine<'_>) -> Result<Option<u64>, Fault> {
        loop {
            match self.client.get::<Job>(&format!("/v1/jobs/{id}")).await {
                Ok(Job {
                    state: JobState::Running { progress },
                    ..
                }) => {
                    line.show(&progress.step, &amount(&progress));
                }
                Ok(Job {
                    state: JobState::Done { generation, .. },
                    ..
                }) => return Ok(generation),
                Ok(Job {
                    state: JobState::Failed { fault },
                    ..
                }) => return Err(fault),
                Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
                Err(fault) => self.tolerate(fault, line)?,
            }
            self.pause().await?;
        }
    }

    /// The node once it has settled.
    async fn settle(&self, line: &mut ProgressLine<'_>) -> Result<(Status, Why), Fault> {
        loop {
            match self.client.get::<Status>("/v1/status").await {
                Ok(status) if is_settled(&status) => {
                    match self.client.get::<Why>("/v1/why").await {
                        Ok(why) => return Ok((status, why)),
                        Err(fault) => self.tolerate(fault, line)?,
                    }
                }
                Ok(status) => line.show(&phase_line(&status), &gate_amount(&status)),
                Err(fault) => self.tolerate(fault, line)?,
            }
            self.pause().await?;
        }
    }

    /// A node that reboots does not answer for a while.
    fn tolerate(&self, fault: Fault, line: &mut ProgressLine<'_>) -> Result<(), Fault> {
        if fault.kind != FaultKind::Transient {
            return Err(fault);
        }
        line.show("waiting for the node to come back", "");
        Ok(())
    }

    async fn pause(&self) -> Result<(), Fault> {
        if Instant::now() >= self.deadline {
            return Err(Fault::new(
                FaultKind::Transient,
                format!(
                    "cannot tell how the switch came out: {} s are over",
                    self.timeout.as_secs()
                ),
            )
            .hint("`orlop why` tells it once the node answers"));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        Ok(())
    }
}

fn is_settled(status: &Status) -> bool {
    let at_work = status
        .job
        .as_ref()
        .is_some_and(|job| matches!(job.state, JobState::Running { .. }));
    !at_work
        && matches!(
            status.phase,
            Phase::Idle | Phase::Degraded | Phase::SafeMode
        )
}

fn phase_line(status: &Status) -> String {
    match status.phase {
        Phase::Trial => "on trial".to_owned(),
        phase => phase.to_string(),
    }
}

fn gate_amount(status: &Status) -> String {
    match status.trial.as_ref().and_then(|trial| trial.gate.as_ref()) {
        Some(gate) => format!(
            ": gate held for {} of {}, {} left",
            duration(gate.held_secs),
            duration(gate.hold_secs),
            duration(gate.left_secs)
        ),
        None => String::new(),
    }
}
