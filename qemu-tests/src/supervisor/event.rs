//! What a supervisor reacts to.

use crate::control::{Reply, Request};
use crate::namespace::BootEnd;
use std::sync::mpsc::Sender;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The owner of a tethered machine is gone.
    OwnerGone,
    /// Somebody asks.
    Asked(Request, Sender<Reply>),
    /// A boot has got its init.
    Init {
        /// The number of the boot.
        boot: u32,
        /// The process's number on the host.
        pid: i32,
    },
    /// A boot could not be started: the harness's own fault, and no use to try again.
    Failed {
        /// The number of the boot.
        boot: u32,
        /// Why.
        why: String,
    },
    /// A boot has ended.
    Ended {
        /// The number of the boot.
        boot: u32,
        /// How.
        end: BootEnd,
    },
}

/// Sends an event to a supervisor; one that is ending does not listen any more.
pub(super) fn send(events: &Sender<Event>, event: Event) {
    if let Err(error) = events.send(event) {
        log::debug!("ignoring: the supervisor is ending: {error}");
    }
}

/// Answers a caller; one that has gone away does not listen any more.
pub(super) fn reply(caller: &Sender<Reply>, reply: Reply) {
    if let Err(error) = caller.send(reply) {
        log::debug!("ignoring: the caller went away: {error}");
    }
}
