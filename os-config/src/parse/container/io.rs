//! How fast a container may use disks, and how soon it is killed for memory.

use super::super::context::Context;
use super::super::section::Section;
use super::said;
use crate::forms::{self, Problem};
use crate::limits::MIN_OOM_SCORE;
use crate::model::IoLimits;
use std::collections::BTreeMap;

pub(super) fn io(cx: &mut Context, section: &Section<'_>) -> BTreeMap<String, IoLimits> {
    let mut out = BTreeMap::new();
    for (disk, table) in section.named(cx, "io", forms::disk) {
        let number = |key| {
            let number = table.integer(key);
            number.and_then(|number| u32::try_from(number).ok())
        };
        let (read_ops, write_ops) = (number("read_ops"), number("write_ops"));
        let limits = IoLimits {
            read: table.text(cx, "read", forms::rate),
            write: table.text(cx, "write", forms::rate),
            read_ops,
            write_ops,
        };
        let keys = ["read", "write", "read_ops", "write_ops"];
        if !keys.into_iter().any(|key| table.has(key)) {
            let problem = Problem::new(format!("nothing limits `{disk}`"));
            let help = "write `read`, `write`, `read_ops` or `write_ops`, or remove it";
            cx.report(table.span(), problem.help(help));
        }
        out.insert(disk, limits);
    }
    out
}

pub(super) fn oom_score_adj(cx: &mut Context, section: &Section<'_>) -> Option<i16> {
    let adjust = section.signed("oom_score_adj")?;
    let privileged = section.boolean("privileged").unwrap_or(false);
    if adjust < MIN_OOM_SCORE && !privileged {
        let problem = Problem::new("it would outlive the agent when memory is short");
        let help =
            format!("take at least {MIN_OOM_SCORE}; with `privileged = true` anything is allowed");
        cx.report(section.span_of("oom_score_adj"), problem.help(help));
    }
    said(i16::try_from(adjust).ok(), 0)
}
