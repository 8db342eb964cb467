//! `[update]` and its windows.

use super::context::Context;
use super::section::Section;
use crate::forms::{self, Problem};
use crate::limits::{MAX_POLL, MIN_POLL};
use crate::model::{Disruption, Update, UpdatePolicy};
use crate::window::{TimeOfDay, Weekday, Window};
use std::collections::BTreeSet;
use std::time::Duration;

const DEFAULT_EVERY: Duration = Duration::from_secs(6 * 3600);

impl Default for Update {
    /// What a TOML without `[update]` gives.
    fn default() -> Self {
        Self {
            policy: UpdatePolicy::default(),
            disruption: Disruption::default(),
            every: DEFAULT_EVERY,
            window: Vec::new(),
        }
    }
}

pub(super) fn update(cx: &mut Context, root: &Section<'_>) -> Update {
    let Some(update) = root.section(cx, "update") else {
        return Update::default();
    };
    let policy = match update.word("policy") {
        Some("auto") => UpdatePolicy::Auto,
        Some("download") => UpdatePolicy::Download,
        _ => UpdatePolicy::Manual,
    };
    let disruption = match update.word("disruption") {
        Some("reboot") => Disruption::Reboot,
        _ => Disruption::Least,
    };
    let every = update.text(cx, "every", |text| {
        forms::duration(text, MIN_POLL..=MAX_POLL)
    });
    let sections = update.sections(cx, "window");
    let window = sections
        .iter()
        .filter_map(|section| window(cx, section))
        .collect();
    Update {
        policy,
        disruption,
        every: every.unwrap_or(DEFAULT_EVERY),
        window,
    }
}

fn window(cx: &mut Context, section: &Section<'_>) -> Option<Window> {
    let days: BTreeSet<Weekday> = match section.texts(cx, "days", forms::weekdays) {
        Some(days) => days.into_iter().flat_map(|(_, days)| days).collect(),
        None => Weekday::ALL.into(),
    };
    let from = section.text(cx, "from", forms::time_of_day);
    let to = section.text(cx, "to", forms::time_of_day);
    let (from, to) = (from?, to?);
    let problem = if from == TimeOfDay::MIDNIGHT {
        Problem::new("no window opens at 24:00").help("write \"00:00\", and the next day")
    } else if from == to {
        Problem::new(format!("the window closes when it opens, at {from}"))
            .help("write `from = \"00:00\"` and `to = \"24:00\"` for the whole day")
    } else {
        return Some(Window { days, from, to });
    };
    cx.report(section.span_of("from"), problem);
    None
}
