//! What a container may do and use.

use super::super::context::Context;
use super::super::section::Section;
use super::io;
use crate::forms::{self, Problem};
use crate::model::{Container, MASKED_PATHS, READ_ONLY_PATHS, Resources, Security, UserNamespace};
use std::collections::BTreeSet;

const ALL: &str = "all";

pub(super) fn resources(cx: &mut Context, section: &Section<'_>) -> Resources {
    let number = |key| {
        section
            .integer(key)
            .and_then(|number| u32::try_from(number).ok())
    };
    let memory_high = section.text(cx, "memory_high", forms::memory);
    let memory = section.quiet_text("memory", forms::memory);
    if let (Some(high), Some(max)) = (memory_high, memory)
        && high >= max
    {
        let problem = Problem::new(format!("`memory_high` is not below `memory`, {max}"));
        let problem = problem.help("make it smaller, or remove it");
        cx.report(section.span_of("memory_high"), problem);
    }
    Resources {
        memory_high,
        swap: section.text(cx, "swap", forms::size),
        cpu_weight: number("cpu_weight"),
        cpuset: section.text(cx, "cpuset", forms::cpuset),
        io_weight: number("io_weight"),
        io: io::io(cx, section),
        oom_score_adj: io::oom_score_adj(cx, section),
        log_limit: number("log_limit"),
    }
}

pub(super) fn security(cx: &mut Context, section: &Section<'_>) -> Security {
    let privileged = section.boolean("privileged").unwrap_or(false);
    let (drop, add) = match section.section(cx, "capabilities") {
        Some(table) => capabilities(cx, &table),
        None => (BTreeSet::new(), BTreeSet::new()),
    };
    if privileged {
        for key in [
            "capabilities",
            "seccomp",
            "no_new_privileges",
            "mask",
            "unmask",
        ] {
            if section.has(key) {
                let problem = Problem::new(format!("`{key}` has no effect with `privileged`"));
                cx.report(section.span_of(key), problem.help("remove one of the two"));
            }
        }
    }
    let host = section
        .texts(cx, "host", forms::host_right)
        .unwrap_or_default();
    Security {
        drop,
        add,
        seccomp_off: section.word("seccomp") == Some("off"),
        new_privileges: section.boolean("no_new_privileges") == Some(false),
        privileged,
        host: host.into_iter().map(|(_, right)| right).collect(),
        mask: paths(cx, section, "mask"),
        unmask: unmask(cx, section),
        spec_patch: section.text(cx, "spec_patch", forms::merge_patch),
        userns: match section.word("userns") {
            Some("own") => UserNamespace::Own,
            Some("host") => UserNamespace::Host,
            _ => UserNamespace::Auto,
        },
        ipc: None,
    }
}

fn paths(cx: &mut Context, section: &Section<'_>, key: &str) -> BTreeSet<String> {
    let paths = section.texts(cx, key, forms::path).unwrap_or_default();
    paths.into_iter().map(|(_, path)| path).collect()
}

fn unmask(cx: &mut Context, section: &Section<'_>) -> BTreeSet<String> {
    let paths = section.texts(cx, "unmask", forms::path).unwrap_or_default();
    for (span, path) in &paths {
        let mut known = MASKED_PATHS.iter().chain(&READ_ONLY_PATHS);
        if !known.any(|known| known == path) {
            let problem = Problem::new(format!("`{path}` is neither masked nor read-only"));
            let all = [&MASKED_PATHS[..], &READ_ONLY_PATHS].concat().join(", ");
            cx.report(span.clone(), problem.help(format!("these are: {all}")));
        }
    }
    paths.into_iter().map(|(_, path)| path).collect()
}

fn capabilities(cx: &mut Context, table: &Section<'_>) -> (BTreeSet<String>, BTreeSet<String>) {
    let drop = table
        .texts(cx, "drop", forms::capability)
        .unwrap_or_default();
    let add = table
        .texts(cx, "add", forms::capability)
        .unwrap_or_default();
    let dropped: BTreeSet<String> = drop.into_iter().map(|(_, name)| name).collect();
    for (span, name) in &add {
        if dropped.contains(name) {
            let problem = Problem::new(format!("`{name}` is dropped and added"));
            cx.report(span.clone(), problem.help("remove one of the two"));
        } else if name == ALL {
            let problem = Problem::new("all capabilities together are no safer than `privileged`");
            cx.report(
                span.clone(),
                problem.help("name those that it needs, or write `privileged = true`"),
            );
        }
    }
    let added = add.into_iter().map(|(_, name)| name).collect();
    (dropped, added)
}

/// Reports what a container asks for that it cannot have in the user namespace of its own that it wants.
pub(super) fn report_user_namespace(cx: &mut Context, section: &Section<'_>, of: &Container) {
    if of.security.userns != UserNamespace::Own {
        return;
    }
    if let Some((key, what)) = of.needs_hosts_user_namespace() {
        let problem = Problem::new(format!(
            "{what} is not to be had in a user namespace of its own"
        ));
        let help = format!("remove `{key}`, or write `userns = \"auto\"`");
        cx.report(section.span_of("userns"), problem.help(help));
    }
}
