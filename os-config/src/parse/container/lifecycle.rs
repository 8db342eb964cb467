//! When a container runs.

use super::super::context::{Context, Noun, Tie, TieKind};
use super::super::node::name;
use super::super::section::Section;
use super::said;
use crate::duration::format_duration;
use crate::forms::{self, Problem};
use crate::limits::RESTART_WAITS;
use crate::model::{Kind, Lifecycle, Name, Restart, UpdateOrder};
use crate::schedule::Schedule;
use std::collections::BTreeMap;
use std::time::Duration;

const DEFAULT_DELAY: Duration = Duration::from_millis(500);
const DEFAULT_DELAY_MAX: Duration = Duration::from_secs(30);

/// A service is started again whenever it ends, and a task never, if nothing else is said.
pub(super) fn restart(section: &Section<'_>) -> Restart {
    match section.word("restart") {
        Some("on-failure") => Restart::OnFailure,
        Some("never") => Restart::Never,
        None if kind(section) == Kind::Task => Restart::Never,
        _ => Restart::Always,
    }
}

fn kind(section: &Section<'_>) -> Kind {
    match section.word("kind") {
        Some("task") => Kind::Task,
        _ => Kind::Service,
    }
}

pub(super) fn lifecycle(cx: &mut Context, of: &Name, section: &Section<'_>) -> Lifecycle {
    let kind = kind(section);
    let schedule = section.text(cx, "schedule", schedule);
    report_contradictions(cx, section, kind);
    let after = section.pairs(cx, "after", name, forms::condition);
    let mut waits = BTreeMap::new();
    for pair in after {
        cx.refer(Noun::Container, pair.name.as_str(), pair.at.clone());
        cx.ties.push(Tie {
            span: pair.at,
            from: of.clone(),
            to: pair.name.clone(),
            how: TieKind::After(pair.value),
        });
        waits.insert(pair.name, pair.value);
    }
    let mut wait = |key| section.text(cx, key, |text| forms::duration(text, RESTART_WAITS));
    let (first, longest) = (wait("restart_delay"), wait("restart_delay_max"));
    let (first, longest) = (
        first.unwrap_or(DEFAULT_DELAY),
        longest.unwrap_or(DEFAULT_DELAY_MAX),
    );
    if first > longest {
        report_waits(cx, section, first, longest);
    }
    Lifecycle {
        kind,
        schedule,
        once: section.word("run") == Some("once"),
        after: waits,
        restart_delay: said(Some(first), DEFAULT_DELAY),
        restart_delay_max: said(Some(longest), DEFAULT_DELAY_MAX),
        restart_limit: section
            .integer("restart_limit")
            .and_then(|limit| u32::try_from(limit).ok()),
        update: update(section),
        essential: section.boolean("essential").unwrap_or(true),
    }
}

fn update(section: &Section<'_>) -> UpdateOrder {
    match section.word("update") {
        Some("start-first") => UpdateOrder::StartFirst,
        _ => UpdateOrder::StopFirst,
    }
}

fn schedule(text: &str) -> Result<Schedule, Problem> {
    text.parse().map_err(|error: crate::ScheduleError| {
        Problem::new(format!("`{text}` is not a schedule: {}", error.why))
            .help("such as \"daily 03:00\", \"mon-fri 02:30\", \"*:0/15\" or \"*-*-01 04:00\"")
    })
}

fn report_contradictions(cx: &mut Context, section: &Section<'_>, kind: Kind) {
    let mut report = |key: &str, message: &str, help: &str| {
        let problem = Problem::new(message).help(help);
        cx.report(section.span_of(key), problem);
    };
    if kind == Kind::Service && section.has("schedule") {
        report(
            "schedule",
            "a service runs all the time",
            "add `kind = \"task\"`",
        );
    }
    if section.word("run") == Some("once") {
        if kind == Kind::Service {
            let help = "add `kind = \"task\"`, or remove `run`";
            report("run", "a service runs all the time", help);
        } else if section.has("schedule") {
            let help = "remove `run`, or `schedule`";
            report(
                "run",
                "a task with a schedule runs at each of its times",
                help,
            );
        }
    }
    if kind == Kind::Task {
        if section.word("restart") == Some("always") {
            let help = "write \"on-failure\" or \"never\", or `kind = \"service\"`";
            report(
                "restart",
                "a task that is always restarted never ends",
                help,
            );
        }
        if section.has("schedule") && section.has("after") {
            let help = "remove `after`, or `schedule`";
            report(
                "after",
                "a task with a schedule waits for its time only",
                help,
            );
        }
        // systemd counts every start, and after so many would start it no more at its time either.
        if section.has("schedule") && section.has("restart_limit") {
            report(
                "restart_limit",
                "each time of its schedule would count as a restart",
                "remove this: a run that fails is tried again until its next time at the longest",
            );
        }
    }
    let restarts = restart(section) != Restart::Never;
    for key in ["restart_delay", "restart_delay_max", "restart_limit"] {
        if section.has(key) && !restarts {
            report(
                key,
                "it is never restarted",
                "remove this, or change `restart`",
            );
        }
    }
}

fn report_waits(cx: &mut Context, section: &Section<'_>, first: Duration, longest: Duration) {
    let (first, longest) = (format_duration(first), format_duration(longest));
    let message = format!("the first wait, {first}, is above the longest, {longest}");
    let at = if section.has("restart_delay") {
        "restart_delay"
    } else {
        "restart_delay_max"
    };
    let problem = Problem::new(message).help("make `restart_delay_max` the longer one");
    cx.report(section.span_of(at), problem);
}
