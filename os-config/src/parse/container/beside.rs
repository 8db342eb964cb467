//! What cannot be updated start-first: what two instances cannot have at once.

use super::super::context::Context;
use super::super::section::Section;
use crate::forms::Problem;
use crate::model::{Attachment, HostRight, NetworkMode, Security};

/// Reports every reason for which a container cannot be updated start-first, if it is to be.
pub(super) fn report(
    cx: &mut Context,
    section: &Section<'_>,
    (networks, network): (&[Attachment], Option<&NetworkMode>),
    security: &Security,
) {
    if section.word("update") != Some("start-first") {
        return;
    }
    let fixed = |one: &Attachment| one.address.is_some() || one.address6.is_some();
    let shared = matches!(network, Some(NetworkMode::Container(_)));
    let reasons = [
        (
            section.word("kind") == Some("task"),
            "kind",
            "a task is not updated while it runs",
        ),
        (
            security.host.contains(&HostRight::Network),
            "host",
            "two instances would listen at the same ports of the host",
        ),
        (
            shared,
            "network",
            "two instances would listen at the same ports of another container",
        ),
        (
            networks.iter().any(fixed),
            "networks",
            "two instances cannot have the same address",
        ),
    ];
    for (_, key, why) in reasons.into_iter().filter(|(holds, ..)| *holds) {
        let problem = Problem::new(format!("it cannot be updated start-first: {why}"));
        cx.report(
            section.span_of(key),
            problem.help("remove `update`, or write \"stop-first\""),
        );
    }
}
