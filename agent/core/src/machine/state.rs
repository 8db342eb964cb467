//! The states of the state machine.

use super::event::{Action, Then};
use crate::GenerationStatus;
use orlop_api::Phase;

/// Where the machine goes back to when what was begun does not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Idle,
    Degraded,
    Trial,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for `Booted`.
    #[default]
    Starting,
    /// No usable config: waits for one.
    SafeMode,
    /// What runs is not on record, or the records cannot be used: nothing is changed.
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
    pub(super) fn of(status: GenerationStatus) -> Self {
        match status {
            GenerationStatus::Good => Self::Idle,
            GenerationStatus::Staged | GenerationStatus::Trial | GenerationStatus::Failed => {
                Self::Degraded
            }
        }
    }

    /// The state to go back to, and what has to be begun again there.
    pub(super) fn back(self) -> (State, Vec<Action>) {
        match self {
            Self::Idle => (State::Idle, Vec::new()),
            Self::Degraded => (State::Degraded, vec![Action::StartGate]),
            Self::Trial => (State::Trial, vec![Action::StartGate]),
        }
    }
}
