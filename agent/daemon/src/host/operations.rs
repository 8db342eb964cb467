//! The operations that every front door calls.

use super::shared::{Ask, Shared};
use super::{diff, views};
use crate::chain::chain;
use crate::ops::{Caller, Operations, Pinning, Started};
use crate::runtime::{LogStream, RuntimeError};
use crate::switch::observe;
use crate::{clock, config, faults, stage};
use futures_util::StreamExt as _;
use futures_util::future;
use futures_util::stream::BoxStream;
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, ConfigEntry, ConfigQuery, ConfigReport, ConfigView,
    ConfirmView, ContainerView, Diff, DiffQuery, Event, Fault, FaultKind, Freed, GenerationView,
    HeldView, Job, JobId, LogLine, LogQuery, Mode, Operation, Phase, ReleaseRequest,
    RollBackRequest, StageRequest, Status, Why,
};
use orlop_config::limits::MAX_TRIAL;
use orlop_config::{Api, Digest};
use orlop_core::{GenerationId, GenerationStatus, Goal, Origin, Policy, Then, Uptime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Log lines where the caller does not say how many.
const DEFAULT_LOG_LINES: u32 = 100;
const MICROS_PER_SEC: u64 = 1_000_000;
/// Log lines at the most.
const MAX_LOG_LINES: u32 = 10_000;

/// The node. Cheap to clone; all clones are the same node.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

fn gone<T>(_: T) -> Fault {
    Fault::new(
        FaultKind::Refused,
        "cannot do this now: the agent is going down",
    )
}

/// The lines from `oldest` on, in microseconds since 1970-01-01 UTC.
fn not_older(lines: LogStream, oldest: u64) -> LogStream {
    let is_wanted = move |line: &Result<LogLine, RuntimeError>| match line {
        Ok(line) => line.at_micros >= oldest,
        Err(_) => true,
    };
    lines
        .filter(move |line| future::ready(is_wanted(line)))
        .boxed()
}

/// How long there is to confirm a switch, where it has to be.
fn confirm_within(secs: Option<u64>) -> Result<Option<Duration>, Fault> {
    let within = secs.map(Duration::from_secs);
    match within {
        Some(within) if within.is_zero() || within > MAX_TRIAL => {
            let message = format!("cannot wait for a confirmation for {} s", within.as_secs());
            let hint = format!("anything from 1 to {} s will do", MAX_TRIAL.as_secs());
            Err(Fault::new(FaultKind::Usage, message).hint(hint))
        }
        within => Ok(within),
    }
}

impl Host {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What the operations of other files work with.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The same, for tasks that outlive a request.
    pub(super) fn share(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Removes an image from the store, or every one that nothing needs.
    pub(super) async fn free(&self, image: Option<String>) -> Result<Freed, Fault> {
        self.ask(|reply| Ask::Free { image, reply }).await
    }

    /// `[api]` of the config in force, whenever it changes.
    pub fn api(&self) -> watch::Receiver<Api> {
        self.shared.live.api()
    }

    /// What the node is doing.
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// A front door that does not open is told in `status`.
    pub fn set_api_problem(&self, problem: Option<String>) {
        let problems = problem.into_iter().collect();
        self.shared
            .problems
            .set(crate::problems::Topic::Api, problems);
    }

    /// The remote API is at another place now, or lets in others: who reached it before proves
    /// nothing any more.
    pub fn api_moved(&self) {
        self.shared.reached.forget();
    }

    /// Tells the driver that the agent ends. Returns when what has to be written is on disk.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.shared.asks.send(Ask::Stop { reply }).await.is_ok() && done.await.is_err() {
            log::error!("the driver ended early");
        }
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, Fault>>) -> Ask,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.shared.asks.send(ask(reply)).await.map_err(gone)?;
        answer.await.map_err(gone)?
    }

    async fn ask_stage(
        &self,
        request: StageRequest,
        then: Then,
        operation: Operation,
        caller: Caller,
    ) -> Result<JobId, Fault> {
        self.ask(|reply| Ask::Stage {
            request,
            then,
            operation,
            caller,
            reply,
        })
        .await
    }

    /// The plan that applying `text` would be, without fetching or recording anything.
    async fn rehearse_config(
        &self,
        text: &str,
        mode: Option<Mode>,
        confirm: Option<Duration>,
    ) -> Result<String, Fault> {
        let shared = &self.shared;
        let request = StageRequest {
            os: None,
            config: Some(text.to_owned()),
        };
        let (current, current_text) = shared.running_generation()?;
        let wanted = stage::wanted(&request, &current, &current_text)?;
        let fetched =
            stage::rehearse(&shared.store, &wanted, &current, &CancellationToken::new()).await?;
        let mut observed = observe(&shared.paths, &shared.store, &shared.boot)
            .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?;
        let same = Digest::of(text.as_bytes()) == current.config;
        let origin = if same { Origin::Update } else { Origin::Config };
        let id = observed.state.next_generation;
        let generation = fetched.generation(id, clock::now(), origin);
        observed
            .configs
            .insert(generation.config.clone(), wanted.config);
        observed
            .state
            .generations
            .insert(id, GenerationStatus::Staged);
        observed.state.staged = Some(id);
        observed.generations.insert(id, generation);
        let plan = orlop_core::plan(
            &observed,
            &Goal::Apply { mode, confirm },
            &Policy::default(),
            clock::now(),
        );
        plan.map(|plan| plan.to_string())
            .map_err(|blocked| faults::of_blocked(&blocked))
    }
}

impl Operations for Host {
    async fn status(&self) -> Status {
        views::status(&self.shared)
    }

    async fn generations(&self) -> Vec<GenerationView> {
        views::generations(&self.shared)
    }

    async fn diff(&self, query: DiffQuery) -> Result<Diff, Fault> {
        diff::diff(&self.shared, &query).await
    }

    async fn pin(&self, generation: u64, pinning: Pinning, caller: Caller) -> Result<(), Fault> {
        let generation = GenerationId(generation);
        self.ask(|reply| Ask::Pin {
            generation,
            pinning,
            caller,
            reply,
        })
        .await
    }

    async fn config(&self, query: ConfigQuery) -> Result<ConfigView, Fault> {
        let (generation, text) = match query.generation {
            None => self.shared.running_generation()?,
            Some(id) => self.shared.generation(GenerationId(id))?,
        };
        Ok(ConfigView {
            digest: generation.config.to_string(),
            text,
        })
    }

    async fn config_history(&self) -> Vec<ConfigEntry> {
        views::config_history(&self.shared)
    }

    async fn confirm(&self, caller: Caller) -> Result<ConfirmView, Fault> {
        self.ask(|reply| Ask::Confirm { caller, reply }).await?;
        views::confirm(&self.shared)
            .ok_or_else(|| Fault::new(FaultKind::Refused, "the trial has ended meanwhile"))
    }

    async fn release(&self, request: ReleaseRequest, caller: Caller) -> Result<HeldView, Fault> {
        self.ask(|reply| Ask::Release {
            digest: request.digest,
            caller,
            reply,
        })
        .await
    }

    fn reached(&self, caller: &Caller, connected: Uptime) {
        self.shared.reached.note(&caller.to_string(), connected);
    }

    fn check_config(&self, text: &str) -> ConfigReport {
        config::report(text)
    }

    async fn stage(&self, request: StageRequest, caller: Caller) -> Result<JobId, Fault> {
        self.ask_stage(request, Then::Wait, Operation::Stage, caller)
            .await
    }

    async fn apply(&self, request: ApplyRequest, caller: Caller) -> Result<Started, Fault> {
        let ApplyRequest {
            mode,
            confirm_secs,
            dry_run,
        } = request;
        let confirm = confirm_within(confirm_secs)?;
        self.ask(|reply| Ask::Apply {
            mode,
            confirm,
            dry_run,
            caller,
            reply,
        })
        .await
    }

    async fn apply_config(
        &self,
        request: ApplyConfigRequest,
        caller: Caller,
    ) -> Result<Started, Fault> {
        // Told at once and whole, before a job is made of it.
        config::parse(&request.config)?;
        let confirm = confirm_within(request.confirm_secs)?;
        if request.dry_run {
            return self
                .rehearse_config(&request.config, request.mode, confirm)
                .await
                .map(Started::Plan);
        }
        let then = Then::Apply {
            mode: request.mode,
            confirm,
        };
        let request = StageRequest {
            os: None,
            config: Some(request.config),
        };
        self.ask_stage(request, then, Operation::ApplyConfig, caller)
            .await
            .map(Started::Job)
    }

    async fn roll_back(&self, request: RollBackRequest, caller: Caller) -> Result<Started, Fault> {
        let RollBackRequest { to, mode, dry_run } = request;
        let to = to.map(GenerationId);
        self.ask(|reply| Ask::RollBack {
            to,
            mode,
            dry_run,
            caller,
            reply,
        })
        .await
    }

    async fn why(&self) -> Why {
        views::why(&self.shared)
    }

    async fn job(&self, id: JobId) -> Result<Job, Fault> {
        self.shared.jobs.get(id).ok_or_else(|| {
            Fault::new(FaultKind::NotFound, format!("cannot find job {}", id.0))
                .hint("the agent forgets jobs when it is restarted")
        })
    }

    async fn cancel(&self, id: JobId, caller: Caller) -> Result<(), Fault> {
        log::info!(job = id.0, caller:% = caller; "asked to cancel job {}", id.0);
        self.shared.jobs.cancel(id)
    }

    async fn containers(&self) -> Vec<ContainerView> {
        self.shared.live.runtime().all_views()
    }

    async fn logs(
        &self,
        container: &str,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
        let usual = match query.since_secs {
            Some(_) => MAX_LOG_LINES,
            None => DEFAULT_LOG_LINES,
        };
        let lines = query.lines.unwrap_or(usual).min(MAX_LOG_LINES);
        let oldest = query
            .since_secs
            .map_or(0, |secs| clock::now().0.saturating_sub(secs))
            .saturating_mul(MICROS_PER_SEC);
        let stream = self
            .shared
            .live
            .runtime()
            .logs(container, lines, query.follow)
            .await?;
        Ok(not_older(stream, oldest)
            .map(|line| line.map_err(Fault::from))
            .boxed())
    }

    fn events(&self) -> BoxStream<'static, Event> {
        self.shared.events.listen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test]
    async fn lines_that_are_too_old_are_left_out_and_an_error_is_not() {
        let line = |at_micros: u64| {
            let text = at_micros.to_string();
            Ok(LogLine {
                at_micros,
                text,
                dropped: None,
            })
        };
        let error = RuntimeError::Unknown {
            container: "web".into(),
            nearest: None,
        };
        let lines = stream::iter([line(4), line(5), Err(error), line(6)]).boxed();
        let kept: Vec<_> = not_older(lines, 5).collect().await;
        let times: Vec<_> = kept
            .into_iter()
            .map(|line| line.ok().map(|line| line.at_micros))
            .collect();
        assert_eq!(times, [Some(5), None, Some(6)]);
    }
}
