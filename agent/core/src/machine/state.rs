//! The states of the state machine.

use super::event::{Action, Then};
use crate::GenerationStatus;
use orlop_api::Phase;

/// How the node stands while nothing is under way, and what it goes back to when what was begun does
/// not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// On a good generation.
    Idle,
    /// The same, and its gate is asked once more whether that is still so: after a start, and after
    /// another generation failed, which may have had a cause that both share.
    Unsure,
    /// On a generation that fails its gate, which goes on being asked.
    Degraded,
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
    Resting(Rest),
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
    /// What follows from a verdict is carried out. Where there is nothing to carry out, the node stands
    /// as `unless` says; none: the trial goes on.
    Ending { unless: Option<Rest>, phase: Phase },
    /// The machine goes down: by a plan's last step, or by itself.
    Leaving,
}

impl Rest {
    /// On a generation of this status; `good` is how the node stands on a good one.
    pub(super) fn of(status: GenerationStatus, good: Self) -> Self {
        match status {
            GenerationStatus::Good => good,
            GenerationStatus::Staged | GenerationStatus::Trial | GenerationStatus::Failed => {
                Self::Degraded
            }
        }
    }

    /// The state to go back to, and what has to be begun again there.
    pub(super) fn back(self) -> (State, Vec<Action>) {
        let actions = match self {
            Self::Idle => Vec::new(),
            Self::Unsure | Self::Degraded => vec![Action::StartGate],
        };
        (State::Resting(self), actions)
    }

    /// What people are told.
    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Idle | Self::Unsure => Phase::Idle,
            Self::Degraded => Phase::Degraded,
        }
    }
}
