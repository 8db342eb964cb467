//! `[gate]` and its checks.

use super::context::{Context, Noun};
use super::node::name;
use super::section::Section;
use crate::duration::format_duration;
use crate::forms::{self, Problem};
use crate::limits::MAX_TRIAL;
use crate::model::{Check, Gate, Name};
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
    report_strays(cx, section);
    if let Some(container) = section.text(cx, "container", name) {
        refer(cx, section, "container", &container);
        return Some(Check::Container(container));
    }
    if let Some(url) = section.text(cx, "http", forms::http_url) {
        let status = section.integer("status");
        let status = status.and_then(|status| u16::try_from(status).ok());
        return Some(Check::Http {
            url,
            status: status.unwrap_or(DEFAULT_STATUS),
        });
    }
    if section.has("exec") {
        return exec(cx, section);
    }
    if section.word("api").is_some() {
        if !cx.api_listens {
            let problem = Problem::new("nobody can reach the API: it does not listen")
                .help("add `listen` and `clients` to `[api]`, or remove this check");
            cx.report(section.span_of("api"), problem);
        }
        return Some(Check::Api);
    }
    if let Some(unit) = section.text(cx, "unit", forms::unit) {
        return Some(Check::Unit(unit));
    }
    section.text(cx, "tcp", forms::host_port).map(Check::Tcp)
}

/// Keys that belong to a kind of check that this is not.
fn report_strays(cx: &mut Context, section: &Section<'_>) {
    for (key, owner) in [("status", "http"), ("in", "exec")] {
        if section.has(key) && !section.has(owner) {
            let problem = Problem::new(format!("`{key}` has no effect without `{owner}`"));
            cx.report(section.span_of(key), problem.help("remove it"));
        }
    }
}

fn exec(cx: &mut Context, section: &Section<'_>) -> Option<Check> {
    let command = section.texts(cx, "exec", forms::env_value)?;
    let command: Vec<String> = command.into_iter().map(|(_, word)| word).collect();
    if !section.has("in") {
        let problem = Problem::new("`exec` does not say in which container")
            .help("add `in = \"web\"` with the container's name");
        cx.report(section.span_of("exec"), problem);
    }
    let container = section.text(cx, "in", name)?;
    refer(cx, section, "in", &container);
    Some(Check::Exec { container, command })
}

fn refer(cx: &mut Context, section: &Section<'_>, key: &str, container: &Name) {
    let span = section.span_of(key);
    cx.refer(Noun::Container, container.as_str(), span);
}
