//! From the errors of the parts to the one fault that every front door shows.

use crate::chain::chain;
use crate::switch::{StepError, SwitchError};
use orlop_api::{Fault, FaultKind};
use orlop_core::{Blocked, IllegalEvent};
use orlop_image::{ErrorKind, PullError, StoreError};

fn kind_of(kind: ErrorKind) -> FaultKind {
    match kind {
        ErrorKind::Transient | ErrorKind::NoSpace => FaultKind::Transient,
        ErrorKind::Integrity => FaultKind::Integrity,
        ErrorKind::NotFound => FaultKind::NotFound,
        ErrorKind::Usage => FaultKind::Usage,
    }
}

/// A pull that failed.
pub(crate) fn of_pull(error: &PullError) -> Fault {
    Fault::new(kind_of(error.kind()), chain(error))
}

/// The store.
pub(crate) fn of_store(error: &StoreError) -> Fault {
    Fault::new(kind_of(error.kind()), chain(error))
}

/// An event that the state machine does not take now.
pub(crate) fn of_illegal(error: &IllegalEvent) -> Fault {
    Fault::new(FaultKind::Refused, error.to_string())
        .hint("`orlop status` shows what the node is doing")
}

/// A plan that is not to be had.
pub(crate) fn of_blocked(blocked: &Blocked) -> Fault {
    let kind = match blocked {
        Blocked::NoSuchGeneration { .. } => FaultKind::NotFound,
        Blocked::NotEnoughEspSpace { .. } => FaultKind::Transient,
        Blocked::Held { .. }
        | Blocked::NotGood { .. }
        | Blocked::NothingStaged
        | Blocked::NothingEarlier
        | Blocked::AlreadyThere { .. }
        | Blocked::NothingNew { .. }
        | Blocked::TrialUnderWay { .. }
        | Blocked::NoTrial
        | Blocked::NoUki { .. }
        | Blocked::OtherImageRuns { .. }
        | Blocked::NothingRuns => FaultKind::Refused,
    };
    Fault::new(kind, chain(blocked))
}

/// A plan that is not to be had or could not be carried out.
pub(crate) fn of_switch(error: &SwitchError) -> Fault {
    match error {
        SwitchError::Blocked(blocked) => of_blocked(blocked),
        SwitchError::Observe(error) => Fault::new(FaultKind::Internal, chain(error)),
        SwitchError::Step {
            source: StepError::Running(fault),
            ..
        } => {
            let message = format!("{error}: {}", fault.message);
            Fault {
                kind: fault.kind,
                message,
                hints: fault.hints.clone(),
            }
        }
        SwitchError::Step {
            source: StepError::Effect(effect),
            ..
        } if effect.is_full() => Fault::new(FaultKind::Transient, chain(error))
            .hint("free some space on the node's disk and try again"),
        SwitchError::Step { .. } => Fault::new(FaultKind::Internal, chain(error)),
    }
}
