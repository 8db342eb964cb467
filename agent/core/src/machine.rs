//! The state machine that the executor is driven by.

use crate::boot::BootDecision;
use crate::plan::{Asker, Ends, Goal};
use crate::{Generation, GenerationId, Trigger};
use orlop_api::Phase;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent has started and knows what was booted.
    Booted(BootDecision),
    /// There is no usable config or state; the API is up and says why.
    Unusable,
    /// Someone asks for a generation to be fetched.
    StageRequested {
        /// What to do with it then.
        then: Then,
    },
    /// It is fetched and verified.
    StageDone {
        /// The generation.
        generation: Box<Generation>,
        /// Its TOML.
        config: String,
        /// On whose behalf.
        asker: Asker,
    },
    /// It could not be fetched, or was cancelled.
    StageFailed,
    /// The first generation's images are there.
    FirstReady {
        /// The generation.
        generation: Box<Generation>,
        /// Its TOML.
        config: String,
    },
    /// Someone asks to switch to the staged generation.
    ApplyRequested,
    /// Someone asks to go back.
    RollBackRequested {
        /// Which; none picks.
        to: Option<GenerationId>,
        /// Who.
        caller: String,
    },
    /// The plan of the last [`Action::Run`] has been carried out. Comes before any other event.
    StepsDone(Ends),
    /// A step of it failed, or there was no plan to be had. Comes before any other event.
    StepsFailed {
        /// Which, and why.
        detail: String,
    },
    /// The gate held.
    GatePassed,
    /// The gate's deadline came first.
    GateFailed {
        /// The check to blame.
        check: String,
        /// Its last result.
        detail: String,
        /// The last log lines of what failed.
        log: Vec<String>,
    },
    /// The machine goes down in good order.
    SystemStopping,
}

/// What is to be done with a generation once it is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Wait for `apply`.
    Wait,
    /// Switch to it.
    Apply,
}

/// What the executor does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Resolve the first generation's images (the event is `FirstReady`).
    PrepareFirst,
    /// Fetch and verify (the events are `StageDone` and `StageFailed`).
    Fetch,
    /// Find out again what runs and how it stands (the event is `Booted`).
    Resolve,
    /// Observe, plan, carry out (the events are `StepsDone` and `StepsFailed`).
    Run(Goal),
    /// See to it that the containers of the running generation run.
    Reconcile,
    /// Begin to judge the running generation.
    StartGate,
    /// Stop judging.
    StopGate,
}

/// An event that makes no sense in this state. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot take {event} while {}", phase_name(*.phase))]
pub struct IllegalEvent {
    /// The state.
    pub phase: Phase,
    /// The event.
    pub event: &'static str,
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::SafeMode => "in safe mode",
        Phase::Idle => "idle",
        Phase::Staging => "staging",
        Phase::Switching => "switching",
        Phase::Trial => "a trial runs",
        Phase::RollingBack => "rolling back",
        Phase::Degraded => "degraded",
    }
}

/// The state machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Starting,
}

impl Machine {
    /// A machine that has just started.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the node is doing, for people and programs.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Starting => Phase::Starting,
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// Where the event makes no sense now; nothing changed.
    pub fn on(&mut self, event: Event) -> Result<Vec<Action>, IllegalEvent> {
        let _ = (event, Trigger::Gate);
        Ok(Vec::new())
    }
}
