//! The state machine itself: one match of every state with every event.

use super::event::{Action, Event, IllegalEvent, Then};
use super::state::{Rest, State};
use crate::Trigger;
use crate::boot::BootDecision;
use crate::plan::{Ends, Goal};
use orlop_api::Phase;

/// The state machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    pub(super) state: State,
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
            State::Resting(rest) | State::Settling { rest } => rest.phase(),
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

    /// How the node stands on a good generation, should it turn out to be on one now. That a trial's
    /// gate has just held is known.
    fn rest_when_good(&self) -> Rest {
        match self.phase() {
            Phase::Trial | Phase::Degraded => Rest::Idle,
            Phase::Starting
            | Phase::SafeMode
            | Phase::Idle
            | Phase::Staging
            | Phase::Switching
            | Phase::RollingBack => Rest::Unsure,
        }
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
            (S::Starting | S::Ending { .. }, E::Booted(decision)) => {
                Ok(booted(decision, self.rest_when_good()))
            }
            (S::Starting, E::Unusable) => to(S::SafeMode, vec![]),
            (S::Starting, E::StateUnusable) => to(S::Unknown, vec![]),

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

            (S::Resting(rest), E::StageRequested { then }) => {
                to(S::Staging { then, rest: *rest }, vec![A::Fetch])
            }
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
                    then: Then::Apply { mode, confirm },
                    rest,
                },
                E::StepsDone(Ends::Here),
            ) => to(
                S::Switching { rest: *rest },
                vec![
                    A::StopGate,
                    A::Run(Goal::Apply {
                        mode: *mode,
                        confirm: *confirm,
                    }),
                ],
            ),
            (S::Recording { rest, .. }, E::StepsFailed { .. }) => Ok(rest.back()),

            (S::Resting(rest), E::ApplyRequested { mode, confirm }) => to(
                S::Switching { rest: *rest },
                vec![A::StopGate, A::Run(Goal::Apply { mode, confirm })],
            ),
            (
                S::Resting(rest),
                E::RollBackRequested {
                    to: id,
                    mode,
                    caller,
                },
            ) => to(
                S::Switching { rest: *rest },
                vec![
                    A::StopGate,
                    A::Run(Goal::RollBack {
                        to: id,
                        mode,
                        caller,
                    }),
                ],
            ),
            (
                S::Trial,
                E::RollBackRequested {
                    to: id,
                    mode,
                    caller,
                },
            ) => to(
                S::Ending {
                    unless: None,
                    phase: Phase::RollingBack,
                },
                vec![
                    A::StopGate,
                    A::Run(Goal::RollBack {
                        to: id,
                        mode,
                        caller,
                    }),
                ],
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
                    unless: Some(*rest),
                    phase: Phase::RollingBack,
                },
                vec![A::Run(end(Trigger::Switch { detail }))],
            ),
            (S::Entering, E::StepsDone(Ends::Here)) => {
                to(S::Trial, vec![A::Reconcile, A::StartGate])
            }
            (S::Entering, E::StepsFailed { detail }) => to(
                S::Ending {
                    unless: Some(Rest::Degraded),
                    phase: Phase::RollingBack,
                },
                vec![A::Run(end(Trigger::Switch { detail }))],
            ),

            (S::Resting(Rest::Unsure), E::GatePassed) => {
                to(S::Resting(Rest::Idle), vec![A::StopGate])
            }
            (S::Trial | S::Resting(Rest::Degraded), E::GatePassed) => to(
                S::Ending {
                    unless: Some(Rest::Degraded),
                    phase: self.phase(),
                },
                vec![A::StopGate, A::Run(end(Trigger::Gate))],
            ),
            (S::Trial, E::GateFailed { trigger, log }) => to(
                S::Ending {
                    unless: Some(Rest::Degraded),
                    phase: Phase::RollingBack,
                },
                vec![A::StopGate, A::Run(Goal::End { trigger, log })],
            ),
            // It was good, and now it is not. There is nowhere to go: it stays, and says so.
            (S::Resting(Rest::Unsure), E::GateFailed { trigger, log }) => to(
                S::Ending {
                    unless: Some(Rest::Degraded),
                    phase: self.phase(),
                },
                vec![A::StopGate, A::Run(Goal::End { trigger, log })],
            ),
            // It goes on failing: the verdict stands, and the gate begins anew.
            (S::Resting(Rest::Degraded), E::GateFailed { .. }) => stay(vec![A::StartGate]),
            // The gate is asked again when the fetching is over.
            (S::Staging { .. } | S::Recording { .. }, E::GatePassed | E::GateFailed { .. }) => {
                stay(vec![])
            }

            (S::Ending { .. }, E::StepsDone(Ends::Here)) => stay(vec![A::Resolve]),
            (
                S::Ending {
                    unless: Some(rest), ..
                },
                E::StepsFailed { .. },
            ) => Ok(rest.back()),
            (S::Ending { unless: None, .. }, E::StepsFailed { .. }) => {
                to(S::Trial, vec![A::StartGate])
            }

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
                | S::Resting(_)
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
                | S::Resting(_)
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
                | S::Resting(_)
                | S::Staging { .. }
                | S::Recording { .. }
                | S::Switching { .. }
                | S::Entering
                | S::Trial
                | S::Ending { .. }
                | S::Leaving,
                event @ (E::Unusable | E::StateUnusable),
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
                | S::Resting(_)
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
                | S::Resting(_)
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
                | S::Resting(_)
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
                event @ E::ApplyRequested { .. },
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
                | S::Resting(_)
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
                | S::Resting(Rest::Idle)
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
fn booted(decision: BootDecision, good: Rest) -> (State, Vec<Action>) {
    match decision {
        BootDecision::FirstBoot => (State::Preparing, vec![Action::PrepareFirst]),
        BootDecision::Normal { generation, status } => (
            State::Settling {
                rest: Rest::of(status, good),
            },
            vec![Action::Reconcile, Action::Run(Goal::Settle { generation })],
        ),
        BootDecision::TrialStarts { .. } => (State::Entering, vec![Action::Run(Goal::Enter)]),
        BootDecision::TrialGoesOn { .. } => {
            (State::Trial, vec![Action::Reconcile, Action::StartGate])
        }
        BootDecision::TrialWentDead { trigger, log } => (
            State::Ending {
                unless: Some(Rest::Degraded),
                phase: Phase::RollingBack,
            },
            vec![Action::Run(Goal::End { trigger, log })],
        ),
        BootDecision::SwitchInterrupted { .. } => (
            State::Switching {
                rest: Rest::Degraded,
            },
            vec![Action::Run(Goal::GoOn)],
        ),
        BootDecision::EndingInterrupted { .. } => (
            State::Ending {
                unless: Some(Rest::Degraded),
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
