//! What the state machine takes and gives.

use crate::boot::BootDecision;
use crate::plan::{Asker, Ends, Goal};
use crate::{Generation, GenerationId, Trigger};
use orlop_api::{Mode, Phase};
use std::time::Duration;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent has started and knows what was booted.
    Booted(BootDecision),
    /// There is no usable config for the first generation; the API is up and says why.
    Unusable,
    /// The node state is not one that this agent can use: it must not be written over.
    StateUnusable,
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
    ApplyRequested {
        /// How.
        mode: Option<Mode>,
        /// How long there is to confirm it, where it has to be.
        confirm: Option<Duration>,
    },
    /// Someone asks to go back.
    RollBackRequested {
        /// Which; none picks.
        to: Option<GenerationId>,
        /// How.
        mode: Option<Mode>,
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
        /// The check to blame, or that nobody confirmed.
        trigger: Trigger,
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
    Apply {
        /// How.
        mode: Option<Mode>,
        /// How long there is to confirm it, where it has to be.
        confirm: Option<Duration>,
    },
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

impl Event {
    /// The event for people, as in "cannot take a roll back while starting".
    pub fn name(&self) -> &'static str {
        match self {
            Self::Booted(_) => "the result of a boot",
            Self::Unusable => "a broken config",
            Self::StateUnusable => "a broken node state",
            Self::StageRequested { .. } => "a request to stage",
            Self::StageDone { .. } => "a staged generation",
            Self::StageFailed => "a failed stage",
            Self::FirstReady { .. } => "the first generation",
            Self::ApplyRequested { .. } => "a request to apply",
            Self::RollBackRequested { .. } => "a request to roll back",
            Self::StepsDone(_) => "the end of a plan",
            Self::StepsFailed { .. } => "the failure of a plan",
            Self::GatePassed => "a passed gate",
            Self::GateFailed { .. } => "a failed gate",
            Self::SystemStopping => "the stop of the system",
        }
    }
}
