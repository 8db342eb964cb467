//! What cannot be updated start-first: what two instances cannot have at once.

use super::super::context::{Context, Tie, TieKind};
use super::super::section::Section;
use crate::forms::Problem;
use crate::model::{Attachment, HostRight, Name, NetworkMode, Security};

/// What to do about it.
pub(super) const STOP_FIRST: &str = "remove `update`, or write \"stop-first\"";

/// Reports every reason for which a container cannot be updated start-first, if it is to be.
pub(super) fn report(
    cx: &mut Context,
    name: &Name,
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
            "a task is not updated while it runs",
        ),
        (
            security.host.contains(&HostRight::Network),
            "two instances would listen at the same ports of the host",
        ),
        (
            shared,
            "two instances would listen at the same ports of another container",
        ),
        (
            security.ipc.is_some(),
            "two instances would write to the same memory of another container",
        ),
        (
            networks.iter().any(fixed),
            "two instances cannot have the same address",
        ),
        (
            networks.iter().any(|one| one.mac.is_some()),
            "two instances cannot have the same hardware address",
        ),
    ];
    for (_, why) in reasons.into_iter().filter(|(holds, _)| *holds) {
        let problem = Problem::new(format!("it cannot be updated start-first: {why}"));
        cx.report(section.span_of("update"), problem.help(STOP_FIRST));
    }
    cx.ties.push(Tie {
        span: section.span_of("update"),
        from: name.clone(),
        to: name.clone(),
        how: TieKind::Alone,
    });
}
