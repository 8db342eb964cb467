//! The driver: the one task that changes the node.

mod asks;
mod beside;
mod last_run;

use super::first;
use super::jobs::Ticket;
use super::shared::{Ask, Shared};
use crate::chain::chain;
use crate::clock;
use crate::gate::GateEnd;
use crate::live::Live;
use crate::problems::Topic;
use crate::stage::{FetchError, Fetched, Wanted};
use crate::switch::{Switch, SwitchError};
use orlop_api::{EventKind, Fault, FaultKind, Phase, Progress};
use orlop_config::Digest;
use orlop_core::boot::BootDecision;
use orlop_core::{Action, Asker, Event, GenerationId, Goal, IllegalEvent, Origin, Then, Trigger};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// Word of a task beside the driver.
#[derive(Debug)]
enum Done {
    /// A generation is fetched, or is not to be had.
    Fetched(Result<Fetched, FetchError>),
    /// The first one.
    First {
        attempt: u64,
        result: Result<Fetched, FetchError>,
    },
    /// The gate has decided.
    Gate { round: u64, end: GateEnd },
    /// It is time to try again what containers did not take.
    ReconcileDue,
}

/// A request that the fetching under way is for.
struct Pending {
    ticket: Ticket,
    wanted: Option<Wanted>,
    then: Then,
    asker: Asker,
}

/// The first generation on its way.
struct First {
    attempt: u64,
    cancel: CancellationToken,
}

/// The driver.
pub(super) struct Driver {
    shared: Arc<Shared>,
    switch: Switch<Live>,
    words: mpsc::Sender<Done>,
    heard: mpsc::Receiver<Done>,
    pending: Option<Pending>,
    first: Option<First>,
    /// Counts what is begun, so that late word of what was stopped is told apart.
    round: u64,
    gate: Option<(u64, AbortHandle)>,
    reconcile_wait: Duration,
    /// Whether a further try is waited for already.
    reconcile_due: bool,
    /// The newest verdict that has been told.
    told: u32,
}

impl Driver {
    /// A driver that has just started.
    pub(super) fn new(shared: Arc<Shared>, switch: Switch<Live>) -> Self {
        let (words, heard) = mpsc::channel(8);
        Self {
            shared,
            switch,
            words,
            heard,
            pending: None,
            first: None,
            round: 0,
            gate: None,
            reconcile_wait: beside::FIRST_RECONCILE_WAIT,
            reconcile_due: false,
            told: 0,
        }
    }

    /// Finds out what was booted, goes on from there, and then does what it is asked, for ever.
    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        self.begin().await;
        loop {
            tokio::select! {
                Some(ask) = asked.recv() => self.take_ask(ask).await,
                Some(done) = self.heard.recv() => self.take_word(done).await,
                else => return,
            }
        }
    }

    async fn begin(&mut self) {
        if let Err(error) = self.switch.sweep() {
            log::warn!("ignoring until the next start: {}", chain(&error));
        }
        match self.shared.records() {
            Ok(records) => {
                self.told = records.verdicts.last().map_or(0, |verdict| verdict.number);
                self.shared.problems.set(Topic::Records, records.problems);
            }
            Err(fault) => self
                .shared
                .problems
                .set(Topic::Records, vec![fault.message]),
        }
        let event = match self.switch.decide() {
            Ok(BootDecision::UnknownImage { root }) => {
                let problem = format!("no generation on record has the OS that runs: root {root}");
                self.shared.problems.set(Topic::Boot, vec![problem]);
                Event::Booted(BootDecision::UnknownImage { root })
            }
            Ok(decision) => {
                log::info!("started: {decision:?}");
                Event::Booted(decision)
            }
            Err(error) => {
                self.shared
                    .problems
                    .set(Topic::Records, vec![chain(&error)]);
                Event::StateUnusable
            }
        };
        self.tell_of_last_run(&event);
        self.take_or_log(event).await;
        self.forget_remains();
    }

    async fn take_word(&mut self, done: Done) {
        match done {
            Done::Fetched(result) => self.take_fetched(result).await,
            Done::First { attempt, result } => {
                if self
                    .first
                    .as_ref()
                    .is_some_and(|first| first.attempt == attempt)
                {
                    self.first = None;
                    self.take_first(result).await;
                }
            }
            Done::Gate { round, end } => {
                if self
                    .gate
                    .as_ref()
                    .is_some_and(|(current, _)| *current == round)
                {
                    self.gate = None;
                    self.take_gate(end).await;
                }
            }
            Done::ReconcileDue => {
                self.reconcile_due = false;
                self.reconcile().await;
            }
        }
    }

    async fn take_fetched(&mut self, result: Result<Fetched, FetchError>) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let recorded = self.give_back(result).await.and_then(|fetched| {
            let state = self.shared.records()?.state.ok_or_else(no_state)?;
            let (current, _) = self.shared.running_generation()?;
            let same = Digest::of(fetched.text.as_bytes()) == current.config;
            let origin = if same { Origin::Update } else { Origin::Config };
            let generation = fetched.generation(state.next_generation, clock::now(), origin);
            Ok((generation, fetched.text))
        });
        match recorded {
            Ok((generation, config)) => {
                self.shared.not_staged.send_replace(None);
                let id = generation.id;
                let generation = Box::new(generation);
                let step = format!("record generation {id}");
                pending.ticket.progress(Progress {
                    step,
                    done: 0,
                    total: None,
                });
                let event = Event::StageDone {
                    generation,
                    config,
                    asker: pending.asker,
                };
                let result = self.take(event).await;
                if matches!(result, Ok(Some(_))) {
                    self.tidy().await;
                }
                let end = match (result, pending.then) {
                    (Ok(None), Then::Wait) => {
                        Ok((Some(id.0), format!("generation {id} is staged")))
                    }
                    (result, _) => self.outcome_of(result, Some(id)),
                };
                if let (Err(fault), false) = (&end, self.is_on_record(id)) {
                    self.shared.not_staged.send_replace(Some(fault.clone()));
                }
                pending.ticket.end(end);
            }
            Err(fault) => {
                if !pending.ticket.cancel_token().is_cancelled() {
                    self.shared.not_staged.send_replace(Some(fault.clone()));
                }
                self.take_or_log(Event::StageFailed).await;
                pending.ticket.end(Err(fault));
            }
        }
    }

    /// Whether the node state lists a generation.
    fn is_on_record(&self, id: GenerationId) -> bool {
        let state = self.shared.records().ok().and_then(|records| records.state);
        state.is_some_and(|state| state.generations.contains_key(&id))
    }

    async fn take_first(&mut self, result: Result<Fetched, FetchError>) {
        let pending = self.pending.take();
        self.shared.problems.clear(Topic::FirstBoot);
        let ready = self.give_back(result).await.and_then(|fetched| {
            let observed = self
                .switch
                .observe()
                .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?;
            let id = observed.state.next_generation;
            Ok((
                fetched.generation(id, clock::now(), Origin::FirstBoot),
                fetched.text,
            ))
        });
        let end = match ready {
            Ok((generation, config)) => {
                self.shared.problems.clear(Topic::Config);
                let id = generation.id;
                let event = Event::FirstReady {
                    generation: Box::new(generation),
                    config,
                };
                let result = self.take(event).await;
                self.outcome_of(result, Some(id))
            }
            Err(fault) => {
                first::tell(&self.shared, &fault);
                self.take_or_log(Event::StageFailed).await;
                Err(fault)
            }
        };
        match pending {
            Some(pending) => pending.ticket.end(end),
            None => {
                if let Err(fault) = end {
                    log::error!("{fault}");
                }
            }
        }
    }

    async fn take_gate(&mut self, end: GateEnd) {
        let event = match end {
            GateEnd::Passed => {
                self.shared.problems.clear(Topic::Gate);
                Event::GatePassed
            }
            GateEnd::Failed { trigger, log } => {
                let problem = match &trigger {
                    Trigger::Check { check, detail } => {
                        format!("gate check `{check}` fails: {detail}")
                    }
                    other => other.to_string(),
                };
                self.shared.problems.set(Topic::Gate, vec![problem]);
                Event::GateFailed { trigger, log }
            }
        };
        self.take_or_log(event).await;
    }

    async fn take_or_log(&mut self, event: Event) {
        match self.take(event).await {
            Ok(None) => {}
            Ok(Some(error)) => self.shared.problems.set(Topic::Switch, vec![chain(&error)]),
            Err(illegal) => log::error!("{illegal}"),
        }
    }

    /// Takes an event to the state machine, and does what follows. What failed of it is given back;
    /// what follows from that is done.
    async fn take(&mut self, event: Event) -> Result<Option<SwitchError>, IllegalEvent> {
        let outcome = self.switch.on(event).await?;
        if outcome.failed.is_none() {
            self.shared.problems.clear(Topic::Switch);
        }
        self.publish().await;
        for action in outcome.actions {
            self.act(action).await;
        }
        Ok(outcome.failed)
    }

    /// What runs now, and every verdict since the last time.
    async fn publish(&mut self) {
        let records = match self.shared.records() {
            Ok(records) => records,
            Err(fault) => {
                self.shared
                    .problems
                    .set(Topic::Records, vec![fault.message]);
                return self.switch.tell_phase();
            }
        };
        let decided = match self.switch.decide() {
            Ok(
                BootDecision::Normal { generation, .. }
                | BootDecision::TrialStarts { generation }
                | BootDecision::TrialGoesOn { generation },
            ) => Some(generation),
            _ => records.state.as_ref().and_then(|state| state.running()),
        };
        self.shared.running.send_replace(decided);
        if self.switch.phase() == Phase::Idle {
            self.shared.problems.clear(Topic::Gate);
        }
        self.switch.tell_phase();
        let news: Vec<_> = records
            .verdicts
            .iter()
            .filter(|verdict| verdict.number > self.told)
            .collect();
        for verdict in &news {
            self.told = verdict.number;
            log::info!(
                generation = verdict.generation.0, good = verdict.good, trigger:? = verdict.trigger;
                "verdict on generation {}: {}",
                verdict.generation,
                if verdict.good { "good" } else { "failed" }
            );
            self.shared.events.send(EventKind::Verdict {
                verdict: (*verdict).into(),
            });
        }
        if !news.is_empty() && self.switch.phase() == Phase::Idle {
            self.collect_garbage().await;
        }
    }

    /// Takes word of a fetching that has ended. What came of one that the disk was too full for is
    /// removed, so that the node is left with the room that it had.
    async fn give_back(&self, result: Result<Fetched, FetchError>) -> Result<Fetched, Fault> {
        if matches!(result, Err(FetchError::Full(_))) {
            self.collect_garbage().await;
        }
        Ok(result?)
    }

    /// After a staging whose records could not be written: what was, goes, and the room that its images
    /// took is given back.
    async fn tidy(&self) {
        let running = *self.shared.running.borrow();
        if let (Phase::Idle, Some(generation)) = (self.switch.phase(), running) {
            let settled = self.switch.run_beside(&Goal::Settle { generation }).await;
            if let Err(error) = settled {
                log::warn!("ignoring until later: {}", chain(&error));
            }
        }
        self.collect_garbage().await;
    }

    /// Frees what no generation needs, unless a fetching is under way: what that has brought is
    /// needed by none yet.
    async fn collect_garbage(&self) {
        if self.pending.is_none() && self.first.is_none() {
            self.shared.collect_garbage().await;
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::PrepareFirst => self.prepare_first(),
            Action::Fetch => self.fetch(),
            Action::Reconcile => self.reconcile().await,
            Action::StartGate => self.start_gate(),
            Action::StopGate => self.stop_gate(),
            // Carried out by `Switch::on`.
            Action::Run(_) | Action::Resolve => {}
        }
    }
}

fn no_state() -> Fault {
    Fault::new(
        FaultKind::Internal,
        "cannot record a generation: there is no node state",
    )
}
