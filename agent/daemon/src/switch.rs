//! Carrying out plans: observe, plan (orlop-core), one durable step after the other.
//!
//! The state machine decides what comes next; [`Switch::on`] takes an event to it, carries out the
//! plans that follow at once, and gives back what is left for the host to do. Everything here may
//! be cut short at any point and is then gone on with at the next start, because each step may be
//! done again and the records on disk say how far it was.

mod observe;
mod steps;

pub use observe::{ObserveError, observe};
pub use steps::{Running, StepError};

use crate::booted::Boot;
use crate::chain::chain;
use crate::clock;
use crate::effects::{EffectError, Effects};
use crate::paths::Paths;
use orlop_api::{GateView, Phase};
use orlop_core::boot::BootDecision;
use orlop_core::{
    Action, Blocked, Ends, Event, Goal, IllegalEvent, Machine, Observed, Plan, Policy,
    paths as core_paths,
};
use orlop_image::Store;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// The executor of one node.
pub struct Switch<R> {
    paths: Paths,
    effects: Arc<dyn Effects>,
    store: Store,
    running: R,
    boot: Boot,
    policy: Policy,
    machine: Machine,
    phase: watch::Sender<Phase>,
    /// The gate at work.
    gate: watch::Receiver<Option<GateView>>,
}

/// A plan that is not to be had, or could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// Not from here; nothing has been changed.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// It is not known what the node is like.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// A step failed. Those before it are done, those after it are not.
    #[error("cannot {purpose}")]
    Step {
        /// What the plan is for.
        purpose: String,
        /// The step.
        #[source]
        source: StepError,
    },
}

/// What came of an event.
#[derive(Debug)]
pub struct Outcome {
    /// What is left for the host to do, in this order.
    pub actions: Vec<Action>,
    /// The first plan that failed, if one did. What followed from it is done already.
    pub failed: Option<SwitchError>,
}

impl<R: Running> Switch<R> {
    /// An executor that has just started.
    pub fn new(
        paths: Paths,
        effects: Arc<dyn Effects>,
        store: Store,
        running: R,
        boot: Boot,
        policy: Policy,
    ) -> Self {
        let machine = Machine::new();
        let (phase, _) = watch::channel(machine.phase());
        let (_, gate) = watch::channel(None);
        Self {
            paths,
            effects,
            store,
            running,
            boot,
            policy,
            machine,
            phase,
            gate,
        }
    }

    /// The same executor, which keeps with each verdict what this gate saw last.
    #[must_use]
    pub fn seeing(self, gate: watch::Receiver<Option<GateView>>) -> Self {
        Self { gate, ..self }
    }

    /// The running machine.
    pub fn running(&self) -> &R {
        &self.running
    }

    /// What runs.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    /// The port through which files are changed.
    pub fn effects(&self) -> &dyn Effects {
        &*self.effects
    }

    /// What the node is doing.
    pub fn phase(&self) -> Phase {
        self.machine.phase()
    }

    /// What the node is doing, as it changes, also in the middle of [`Switch::on`].
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether `event` makes sense now. Changes nothing.
    ///
    /// # Errors
    /// [`IllegalEvent`]: it does not.
    pub fn would_take(&self, event: Event) -> Result<(), IllegalEvent> {
        self.machine.clone().on(event).map(drop)
    }

    /// Removes the temporary names that a power cut left. The first thing after a start.
    ///
    /// # Errors
    /// [`EffectError`], with the name.
    pub fn sweep(&self) -> Result<(), EffectError> {
        self.effects.sweep(&self.paths.state())?;
        for dir in [
            core_paths::GENERATIONS,
            core_paths::CONFIGS,
            core_paths::VERDICTS,
            core_paths::UKIS,
            core_paths::ENTRIES,
        ] {
            self.effects.sweep(&self.paths.place(dir))?;
        }
        Ok(())
    }

    /// The node as it is.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub fn observe(&self) -> Result<Observed, ObserveError> {
        let mut observed = observe(&self.paths, &self.store, &self.boot)?;
        if let Some(gate) = &*self.gate.borrow() {
            observed.checks = gate.checks.iter().map(Into::into).collect();
        }
        Ok(observed)
    }

    /// What this start of the agent means.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub fn decide(&self) -> Result<BootDecision, ObserveError> {
        let observed = self.observe()?;
        let has_state = self.paths.place(core_paths::STATE).exists();
        Ok(orlop_core::boot::resolve_boot(
            has_state.then_some(&observed.state),
            &observed.generations,
            &observed.booted,
            &observed.esp.entries,
            &self.policy,
        ))
    }

    /// The plan that would reach `goal`. Changes nothing.
    ///
    /// # Errors
    /// [`SwitchError::Blocked`] and [`SwitchError::Observe`].
    pub fn plan(&self, goal: &Goal) -> Result<Plan, SwitchError> {
        let observed = self.observe()?;
        Ok(orlop_core::plan(
            &observed,
            goal,
            &self.policy,
            clock::now(),
        )?)
    }

    /// Takes an event, and carries out every plan that it leads to.
    ///
    /// # Errors
    /// [`IllegalEvent`]: it makes no sense now, and nothing changed.
    pub async fn on(&mut self, event: Event) -> Result<Outcome, IllegalEvent> {
        let mut todo: VecDeque<Action> = self.step(event)?.into();
        let mut outcome = Outcome {
            actions: Vec::new(),
            failed: None,
        };
        while let Some(action) = todo.pop_front() {
            let event = match action {
                Action::Run(goal) => match self.run(&goal).await {
                    Ok(ends) => Event::StepsDone(ends),
                    Err(error) => {
                        let detail = chain(&error);
                        log::warn!("{detail}");
                        outcome.failed.get_or_insert(error);
                        Event::StepsFailed { detail }
                    }
                },
                Action::Resolve => match self.decide() {
                    Ok(decision) => Event::Booted(decision),
                    Err(error) => {
                        outcome.failed.get_or_insert(error.into());
                        continue;
                    }
                },
                Action::PrepareFirst
                | Action::Fetch
                | Action::Reconcile
                | Action::StartGate
                | Action::StopGate => {
                    outcome.actions.push(action);
                    continue;
                }
            };
            // What follows from the steps comes before what was to follow them.
            for action in self.step(event)?.into_iter().rev() {
                todo.push_front(action);
            }
        }
        Ok(outcome)
    }

    /// Carries out a plan that changes records alone, which is no move of the state machine.
    ///
    /// # Errors
    /// [`SwitchError`]; where there is no such plan, nothing changed.
    pub async fn note(&mut self, goal: &Goal) -> Result<(), SwitchError> {
        self.run(goal).await.map(drop)
    }

    /// The machine takes one event, and its phase is told. A phase of rest is not: it goes with the
    /// generation that then runs, which is known when all plans are carried out.
    fn step(&mut self, event: Event) -> Result<Vec<Action>, IllegalEvent> {
        let actions = self.machine.on(event)?;
        if !matches!(self.machine.phase(), Phase::Idle | Phase::Degraded) {
            self.tell_phase();
        }
        Ok(actions)
    }

    /// Tells what the node is doing, also where it rests.
    pub fn tell_phase(&self) {
        let phase = self.machine.phase();
        self.phase
            .send_if_modified(|told| std::mem::replace(told, phase) != phase);
    }

    /// Carries out a goal that changes the records alone and is no part of any switch: pinning.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub async fn run_beside(&self, goal: &Goal) -> Result<(), SwitchError> {
        self.run(goal).await.map(drop)
    }

    /// Observes, plans, and carries out the plan.
    async fn run(&self, goal: &Goal) -> Result<Ends, SwitchError> {
        let plan = self.plan(goal)?;
        log::info!(steps = plan.steps.len(); "begins to {}: {}", plan.purpose, plan.why);
        for step in &plan.steps {
            steps::carry_out(step, self)
                .await
                .map_err(|source| SwitchError::Step {
                    purpose: plan.purpose.clone(),
                    source,
                })?;
        }
        Ok(plan.ends())
    }
}
