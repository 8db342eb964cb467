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
    let fault = Fault::new(kind_of(error.kind()), chain(error));
    match next_step(error) {
        Some(next) => fault.hint(next),
        None => fault,
    }
}

/// What an operator does about a pull that failed, where its message does not say so itself.
fn next_step(error: &PullError) -> Option<&'static str> {
    if error.kind() == ErrorKind::NoSpace {
        return Some(
            "nothing of it is kept; make room on the node's state partition (fewer containers or \
             volumes in its TOML, or a bigger disk), and try again",
        );
    }
    Some(match error {
        PullError::UnknownImage { .. } => {
            "check the name and the tag, and that the image has been pushed"
        }
        PullError::MissingBlob { .. } => "push the image to the registry again, whole",
        PullError::Unreachable { .. } => {
            "check the address, the network and `[registry]` in the node's TOML, and try again"
        }
        PullError::Interrupted { .. } => "try again when the registry is back",
        PullError::Denied { .. } => "let the node read the image without a login",
        PullError::BadAnswer { .. }
        | PullError::DigestMismatch { .. }
        | PullError::RootMismatch { .. }
        | PullError::Layer { .. } => {
            "nothing of it is used; push the image again, or pull it from another registry"
        }
        PullError::NoPlatform { .. } | PullError::OtherPlatform { .. } => {
            "push an image for it, or say in `platform` of the container what it is to be for"
        }
        PullError::NotOs { .. } => "make OS images with `orlop-image build`",
        PullError::NotContainer { .. } => "name a container image, or stage this one as an OS",
        PullError::NoSpace { .. }
        | PullError::Cancelled { .. }
        | PullError::Io { .. }
        | PullError::Options { .. }
        | PullError::Store(_) => return None,
    })
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
        Blocked::NoSuchGeneration { .. } | Blocked::NotHeld { .. } => FaultKind::NotFound,
        Blocked::NotEnoughEspSpace { .. } => FaultKind::Transient,
        Blocked::SeveralHeld { .. } => FaultKind::Usage,
        Blocked::Held { .. }
        | Blocked::NothingToConfirm
        | Blocked::TooLateToConfirm { .. }
        | Blocked::NotGood { .. }
        | Blocked::CannotPin { .. }
        | Blocked::NothingStaged
        | Blocked::NothingEarlier
        | Blocked::AlreadyThere { .. }
        | Blocked::NothingNew { .. }
        | Blocked::TrialUnderWay { .. }
        | Blocked::NoTrial
        | Blocked::NoUki { .. }
        | Blocked::NotLive { .. }
        | Blocked::OtherImageRuns { .. }
        | Blocked::NothingRuns => FaultKind::Refused,
    };
    let fault = Fault::new(kind, chain(blocked));
    match blocked {
        Blocked::NotEnoughEspSpace { .. } => fault.hint(
            "nothing was written; remove what is not the node's from its ESP, or give it a bigger \
             one, and try again",
        ),
        _ => fault,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_core::GenerationId;
    use std::path::PathBuf;

    #[test]
    fn a_pull_that_failed_tells_what_to_do_next_and_whether_it_may_work_later() {
        let image = || "r.example/os:2".to_owned();
        let unknown = PullError::UnknownImage {
            image: image(),
            place: "registry r.example".into(),
        };
        let wrong = PullError::DigestMismatch {
            what: "layer 1 of 2 (blob)".into(),
            image: image(),
            expected: "sha256:aa".into(),
            got: "sha256:bb".into(),
        };
        let full = PullError::NoSpace {
            image: image(),
            path: PathBuf::from("/state/store"),
            needed_bytes: None,
        };
        let full_store = PullError::Store(StoreError::NoSpace {
            path: PathBuf::from("/state/store"),
        });
        for (error, kind, hint) in [
            (unknown, FaultKind::NotFound, "check the name and the tag"),
            (wrong, FaultKind::Integrity, "nothing of it is used"),
            (full, FaultKind::Transient, "make room on the node's state"),
            (
                full_store,
                FaultKind::Transient,
                "make room on the node's state",
            ),
        ] {
            let fault = of_pull(&error);
            assert_eq!(fault.kind, kind);
            assert!(fault.hints.concat().contains(hint), "{fault:?}");
        }
    }

    #[test]
    fn an_esp_without_room_may_get_some() {
        let fault = of_blocked(&Blocked::NotEnoughEspSpace {
            generation: GenerationId(2),
            need: 10,
            have: 5,
        });
        assert_eq!(fault.kind, FaultKind::Transient);
        assert!(fault.hints[0].starts_with("nothing was written; "));
        assert_eq!(of_blocked(&Blocked::NothingStaged).hints, [""; 0]);
    }
}
