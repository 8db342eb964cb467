//! The state machine that the executor is driven by.

use crate::boot::BootDecision;
use crate::plan::{Asker, Ends, Goal};
use crate::{Generation, GenerationId, GenerationStatus, Trigger};
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

/// Where the machine goes back to when what was begun does not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Idle,
    Degraded,
    Trial,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// Waits for `Booted`.
    #[default]
    Starting,
    /// No usable config: waits for one.
    SafeMode,
    /// What runs is not on record: nothing is changed.
    Unknown,
    /// The first generation's images are fetched.
    Preparing,
    /// Records and ESP are made to agree with what runs.
    Settling { rest: Rest },
    /// Nothing under way.
    Idle,
    /// Nothing under way, on a generation that fails its gate.
    Degraded,
    /// A generation is fetched.
    Staging { then: Then, rest: Rest },
    /// It is recorded.
    Recording { then: Then, rest: Rest },
    /// The steps of a switch are carried out.
    Switching { rest: Rest },
    /// The trial is noted.
    Entering,
    /// The gate judges.
    Trial,
    /// What follows from a verdict is carried out.
    Ending { unless: Rest, phase: Phase },
    /// The machine goes down: by a plan's last step, or by itself.
    Leaving,
}

impl Rest {
    fn of(status: GenerationStatus) -> Self {
        match status {
            GenerationStatus::Good => Self::Idle,
            GenerationStatus::Staged | GenerationStatus::Trial | GenerationStatus::Failed => {
                Self::Degraded
            }
        }
    }

    /// The state to go back to, and what has to be begun again there.
    fn back(self) -> (State, Vec<Action>) {
        match self {
            Self::Idle => (State::Idle, Vec::new()),
            Self::Degraded => (State::Degraded, vec![Action::StartGate]),
            Self::Trial => (State::Trial, vec![Action::StartGate]),
        }
    }
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
            State::SafeMode | State::Unknown => Phase::SafeMode,
            State::Idle | State::Settling { rest: Rest::Idle } => Phase::Idle,
            State::Degraded
            | State::Settling {
                rest: Rest::Degraded | Rest::Trial,
            } => Phase::Degraded,
            State::Preparing | State::Staging { .. } | State::Recording { .. } => Phase::Staging,
            State::Switching { .. } | State::Entering | State::Leaving => Phase::Switching,
            State::Trial => Phase::Trial,
            State::Ending { phase, .. } => phase,
        }
    }

    /// Takes an event and says what to do, in this order.
    ///
    /// # Errors
    /// Where the event makes no sense now; nothing changed.
    pub fn on(&mut self, event: Event) -> Result<Vec<Action>, IllegalEvent> {
        let (state, actions) = self.next(event)?;
        self.state = state;
        Ok(actions)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one match of every state with every event"
    )]
    fn next(&self, event: Event) -> Result<(State, Vec<Action>), IllegalEvent> {
        use {Action as A, Event as E, State as S};
        let to = |state, actions| Ok((state, actions));
        let stay = |actions| Ok((self.state.clone(), actions));
        match (&self.state, event) {
            (S::Starting | S::Ending { .. }, E::Booted(decision)) => Ok(booted(decision)),
            (S::Starting, E::Unusable) => to(S::SafeMode, vec![]),

            (S::SafeMode, E::StageRequested { .. }) => to(S::Preparing, vec![A::PrepareFirst]),
            (S::Preparing, E::StageFailed) => to(S::SafeMode, vec![]),
            (S::Preparing, E::FirstReady { generation, config }) => to(
                S::Switching {
                    rest: Rest::Degraded,
                },
                vec![A::Run(Goal::Begin { generation, config })],
            ),

            // What could not be tidied now is tidied at the next start.
            (S::Settling { rest }, E::StepsDone(Ends::Here) | E::StepsFailed { .. }) => {
                Ok(rest.back())
            }

            (S::Idle, E::StageRequested { then }) => to(
                S::Staging {
                    then,
                    rest: Rest::Idle,
                },
                vec![A::Fetch],
            ),
            (S::Degraded, E::StageRequested { then }) => to(
                S::Staging {
                    then,
                    rest: Rest::Degraded,
                },
                vec![A::Fetch],
            ),
            (S::Staging { rest, .. }, E::StageFailed) => Ok(rest.back()),
            (
                S::Staging { then, rest },
                E::StageDone {
                    generation,
                    config,
                    asker,
                },
            ) => to(
                S::Recording {
                    then: *then,
                    rest: *rest,
                },
                vec![A::Run(Goal::Stage {
                    generation,
                    config,
                    asker,
                })],
            ),
            (
                S::Recording {
                    then: Then::Wait,
                    rest,
                },
                E::StepsDone(Ends::Here),
            ) => Ok(rest.back()),
            (
                S::Recording {
                    then: Then::Apply,
                    rest,
                },
                E::StepsDone(Ends::Here),
            ) => to(
                S::Switching { rest: *rest },
                vec![A::StopGate, A::Run(Goal::Apply)],
            ),
            (S::Recording { rest, .. }, E::StepsFailed { .. }) => Ok(rest.back()),

            (S::Idle, E::ApplyRequested) => {
                to(S::Switching { rest: Rest::Idle }, vec![A::Run(Goal::Apply)])
            }
            (S::Degraded, E::ApplyRequested) => to(
                S::Switching {
                    rest: Rest::Degraded,
                },
                vec![A::StopGate, A::Run(Goal::Apply)],
            ),
            (S::Idle, E::RollBackRequested { to: id, caller }) => to(
                S::Switching { rest: Rest::Idle },
                vec![A::Run(Goal::RollBack { to: id, caller })],
            ),
            (S::Degraded, E::RollBackRequested { to: id, caller }) => to(
                S::Switching {
                    rest: Rest::Degraded,
                },
                vec![A::StopGate, A::Run(Goal::RollBack { to: id, caller })],
            ),
            (S::Trial, E::RollBackRequested { to: id, caller }) => to(
                S::Ending {
                    unless: Rest::Trial,
                    phase: Phase::RollingBack,
                },
                vec![A::StopGate, A::Run(Goal::RollBack { to: id, caller })],
            ),

            (S::Switching { .. }, E::StepsDone(Ends::Here)) => {
                to(S::Entering, vec![A::Run(Goal::Enter)])
            }
            (S::Switching { .. } | S::Ending { .. }, E::StepsDone(Ends::Rebooting)) => {
                to(S::Leaving, vec![])
            }
            // Where the switch had not been recorded yet there is nothing to end, and the node is
            // as it was.
            (S::Switching { rest }, E::StepsFailed { detail }) => to(
                S::Ending {
                    unless: *rest,
                    phase: Phase::RollingBack,
                },
                vec![A::Run(end(Trigger::Switch { detail }))],
            ),
            (S::Entering, E::StepsDone(Ends::Here)) => {
                to(S::Trial, vec![A::Reconcile, A::StartGate])
            }
            (S::Entering, E::StepsFailed { detail }) => to(
                S::Ending {
                    unless: Rest::Degraded,
                    phase: Phase::RollingBack,
                },
                vec![A::Run(end(Trigger::Switch { detail }))],
            ),

            (S::Trial | S::Degraded, E::GatePassed) => to(
                S::Ending {
                    unless: Rest::Degraded,
                    phase: self.phase(),
                },
                vec![A::StopGate, A::Run(end(Trigger::Gate))],
            ),
            (S::Trial, E::GateFailed { check, detail, log }) => {
                let trigger = Trigger::Check { check, detail };
                to(
                    S::Ending {
                        unless: Rest::Degraded,
                        phase: Phase::RollingBack,
                    },
                    vec![A::StopGate, A::Run(Goal::End { trigger, log })],
                )
            }
            // It goes on failing: the verdict stands, and the gate begins anew.
            (S::Degraded, E::GateFailed { .. }) => stay(vec![A::StartGate]),
            // The gate is asked again when the fetching is over.
            (S::Staging { .. } | S::Recording { .. }, E::GatePassed | E::GateFailed { .. }) => {
                stay(vec![])
            }

            (S::Ending { .. }, E::StepsDone(Ends::Here)) => stay(vec![A::Resolve]),
            (S::Ending { unless, .. }, E::StepsFailed { .. }) => Ok(unless.back()),

            (S::Trial, E::SystemStopping) => {
                to(S::Leaving, vec![A::StopGate, A::Run(Goal::GiveTryBack)])
            }
            (S::Entering, E::SystemStopping) => to(S::Leaving, vec![A::Run(Goal::GiveTryBack)]),
            (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Idle
                | S::Degraded
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Ending { .. }
                | S::Leaving,
                E::SystemStopping,
            ) => to(S::Leaving, vec![]),
            // Whatever comes of the last plan, the machine goes down.
            (S::Leaving, E::StepsDone(_) | E::StepsFailed { .. }) => stay(vec![]),

            (
                S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Idle
                | S::Degraded
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Leaving,
                event @ E::Booted(_),
            )
            | (
                S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Idle
                | S::Degraded
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ E::Unusable,
            )
            | (
                S::Starting
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ E::StageRequested { .. },
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Idle
                | S::Degraded
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ E::StageDone { .. },
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Settling { .. }
                | S::Idle
                | S::Degraded
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ E::StageFailed,
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Settling { .. }
                | S::Idle
                | S::Degraded
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ E::FirstReady { .. },
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ E::ApplyRequested,
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Ending { .. }
                | S::Leaving,
                event @ E::RollBackRequested { .. },
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Idle
                | S::Degraded
                | S::Staging { .. }
                | S::Trial,
                event @ (E::StepsDone(_) | E::StepsFailed { .. }),
            )
            | (
                S::Settling { .. } | S::Recording { .. } | S::Entering,
                event @ E::StepsDone(Ends::Rebooting),
            )
            | (
                S::Starting
                | S::SafeMode
                | S::Unknown
                | S::Preparing
                | S::Settling { .. }
                | S::Idle
                | S::Switching { .. }
                | S::Entering
                | S::Ending { .. }
                | S::Leaving,
                event @ (E::GatePassed | E::GateFailed { .. }),
            ) => Err(IllegalEvent {
                phase: self.phase(),
                event: event.name(),
            }),
        }
    }
}

/// What a start of the agent, or a second look after an ending, leads to.
fn booted(decision: BootDecision) -> (State, Vec<Action>) {
    match decision {
        BootDecision::FirstBoot => (State::Preparing, vec![Action::PrepareFirst]),
        BootDecision::Normal { generation, status } => (
            State::Settling {
                rest: Rest::of(status),
            },
            vec![Action::Reconcile, Action::Run(Goal::Settle { generation })],
        ),
        BootDecision::TrialStarts { .. } => (State::Entering, vec![Action::Run(Goal::Enter)]),
        BootDecision::TrialGoesOn { .. } => {
            (State::Trial, vec![Action::Reconcile, Action::StartGate])
        }
        BootDecision::TrialWentDead { trigger } => (
            State::Ending {
                unless: Rest::Degraded,
                phase: Phase::RollingBack,
            },
            vec![Action::Run(end(trigger))],
        ),
        BootDecision::SwitchInterrupted { .. } => (
            State::Switching {
                rest: Rest::Degraded,
            },
            vec![Action::Run(Goal::GoOn)],
        ),
        BootDecision::EndingInterrupted { .. } => (
            State::Ending {
                unless: Rest::Degraded,
                phase: Phase::Switching,
            },
            vec![Action::Run(Goal::GoOn)],
        ),
        BootDecision::UnknownImage { .. } => (State::Unknown, Vec::new()),
    }
}

fn end(trigger: Trigger) -> Goal {
    Goal::End {
        trigger,
        log: Vec::new(),
    }
}

impl Event {
    /// The event for people, as in "cannot take a roll back while starting".
    pub fn name(&self) -> &'static str {
        match self {
            Self::Booted(_) => "the result of a boot",
            Self::Unusable => "a broken config",
            Self::StageRequested { .. } => "a request to stage",
            Self::StageDone { .. } => "a staged generation",
            Self::StageFailed => "a failed stage",
            Self::FirstReady { .. } => "the first generation",
            Self::ApplyRequested => "a request to apply",
            Self::RollBackRequested { .. } => "a request to roll back",
            Self::StepsDone(_) => "the end of a plan",
            Self::StepsFailed { .. } => "the failure of a plan",
            Self::GatePassed => "a passed gate",
            Self::GateFailed { .. } => "a failed gate",
            Self::SystemStopping => "the stop of the system",
        }
    }
}

#[cfg(test)]
mod tests;
