//! `[gate]` and its checks.

use super::context::{Context, Noun};
use super::node::name;
use super::section::Section;
use crate::duration::format_duration;
use crate::forms::{self, Problem};
use crate::limits::MAX_TRIAL;
use crate::model::{Check, Gate};
use std::time::Duration;

const DEFAULT_HOLD: Duration = Duration::from_secs(10);
const DEFAULT_DEADLINE: Duration = Duration::from_secs(5 * 60);
const MIN_DEADLINE: Duration = Duration::from_secs(1);
const DEFAULT_STATUS: u16 = 200;

impl Default for Gate {
    /// What a TOML without `[gate]` gives.
    fn default() -> Self {
        Self {
            hold: DEFAULT_HOLD,
            deadline: DEFAULT_DEADLINE,
            check: Vec::new(),
        }
    }
}

pub(super) fn gate(cx: &mut Context, root: &Section<'_>) -> Gate {
    let Some(gate) = root.section(cx, "gate") else {
        return Gate::default();
    };
    let hold = gate.text(cx, "hold", |text| {
        forms::duration(text, Duration::ZERO..=MAX_TRIAL)
    });
    let deadline = gate.text(cx, "deadline", |text| {
        forms::duration(text, MIN_DEADLINE..=MAX_TRIAL)
    });
    // A value that was given but could not be read says nothing about the other one.
    let hold_or = hold.or((!gate.has("hold")).then_some(DEFAULT_HOLD));
    let deadline_or = deadline.or((!gate.has("deadline")).then_some(DEFAULT_DEADLINE));
    if let (Some(hold), Some(deadline)) = (hold_or, deadline_or)
        && hold >= deadline
    {
        report_short_deadline(cx, &gate, hold, deadline);
    }
    let sections = gate.sections(cx, "check");
    let check = sections
        .iter()
        .filter_map(|section| check(cx, section))
        .collect();
    Gate {
        hold: hold_or.unwrap_or_default(),
        deadline: deadline_or.unwrap_or_default(),
        check,
    }
}

fn report_short_deadline(cx: &mut Context, gate: &Section<'_>, hold: Duration, deadline: Duration) {
    let (hold, deadline) = (format_duration(hold), format_duration(deadline));
    let default = |key| if gate.has(key) { "" } else { " (the default)" };
    let message = format!(
        "the gate can never pass: `hold` is {hold}{}, `deadline` is {deadline}{}",
        default("hold"),
        default("deadline")
    );
    let at = if gate.has("deadline") {
        "deadline"
    } else {
        "hold"
    };
    let problem = Problem::new(message).help("make `deadline` longer than `hold`");
    cx.report(gate.span_of(at), problem);
}

fn check(cx: &mut Context, section: &Section<'_>) -> Option<Check> {
    let status = section
        .integer("status")
        .and_then(|status| u16::try_from(status).ok());
    if section.has("status") && !section.has("http") {
        let problem = Problem::new("`status` has no effect without `http`").help("remove it");
        cx.report(section.span_of("status"), problem);
    }
    if let Some(container) = section.text(cx, "container", name) {
        cx.refer(
            Noun::Container,
            container.as_str(),
            section.span_of("container"),
        );
        return Some(Check::Container(container));
    }
    if let Some(url) = section.text(cx, "http", forms::http_url) {
        return Some(Check::Http {
            url,
            status: status.unwrap_or(DEFAULT_STATUS),
        });
    }
    section.text(cx, "tcp", forms::host_port).map(Check::Tcp)
}
