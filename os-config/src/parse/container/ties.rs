//! Containers that depend on each other: what can never come true is refused.

use super::super::context::{Context, Tie, TieKind};
use super::beside::STOP_FIRST;
use super::ipc;
use crate::forms::Problem;
use crate::model::{Condition, Container, HostRight, Kind, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Reports every tie that cannot hold, and every circle once.
pub(super) fn report(cx: &mut Context, containers: &BTreeMap<Name, Container>) {
    let mut ties = std::mem::take(&mut cx.ties);
    ties.sort_by_key(|tie| tie.span.start);
    for tie in &ties {
        // One that is not there, or not whole, has been reported.
        if let Some(other) = containers.get(&tie.to)
            && let Some(problem) = impossible(tie, other)
                .or_else(|| not_alone(tie, &ties))
                .or_else(|| ipc::strange_namespace(tie, containers))
        {
            cx.report(tie.span.clone(), problem);
        }
    }
    report_circles(cx, &ties);
}

fn impossible(tie: &Tie, other: &Container) -> Option<Problem> {
    let to = &tie.to;
    let scheduled = other.lifecycle.schedule.is_some();
    match tie.how {
        TieKind::After(_) if scheduled => Some(
            Problem::new(format!("`{to}` runs by its schedule, whoever waits for it"))
                .help("wait for another container, or remove its `schedule`"),
        ),
        TieKind::After(Condition::Healthy) if other.health.is_none() => Some(
            Problem::new(format!(
                "`{to}` has no probe that would say that it is healthy"
            ))
            .help(format!("give it `health`, or write `{to} = \"started\"`")),
        ),
        TieKind::After(Condition::Completed) if other.lifecycle.kind == Kind::Service => Some(
            Problem::new(format!("`{to}` is a service and never completes")).help(format!(
                "give it `kind = \"task\"`, or write `{to} = \"started\"`"
            )),
        ),
        TieKind::Network | TieKind::Ipc if other.lifecycle.once => Some(
            Problem::new(format!(
                "`{to}` runs once, and lends nothing when the node comes up again"
            ))
            .help("name one that runs each time, or remove its `run`"),
        ),
        TieKind::Network if !has_own_network(other) => Some(
            Problem::new(format!("`{to}` has no network of its own to share"))
                .help("name the container that joins the networks"),
        ),
        TieKind::Ipc if !ipc::has_own(other) => Some(
            Problem::new(format!("`{to}` has no IPC of its own to share"))
                .help("name the container that the others share theirs with"),
        ),
        TieKind::After(_) | TieKind::Network | TieKind::Ipc | TieKind::Alone => None,
    }
}

/// Why a container whose network or IPC is left to its past with each update cannot be so.
fn not_alone(tie: &Tie, ties: &[Tie]) -> Option<Problem> {
    let of_tie = ties.iter().filter(|other| other.to == tie.from);
    let mut sharing = of_tie.filter_map(|other| match other.how {
        TieKind::Network => Some((&other.from, "is in its network")),
        TieKind::Ipc => Some((&other.from, "shares its IPC")),
        TieKind::After(_) | TieKind::Alone => None,
    });
    let (from, how) = sharing.next()?;
    let message = format!(
        "it cannot be updated start-first: `{from}` {how}, and would stay in that of the old instance"
    );
    matches!(tie.how, TieKind::Alone).then(|| Problem::new(message).help(STOP_FIRST))
}

fn has_own_network(container: &Container) -> bool {
    !container.security.host.contains(&HostRight::Network) && container.network.is_none()
}

fn report_circles(cx: &mut Context, ties: &[Tie]) {
    let mut edges: BTreeMap<&Name, Vec<&Tie>> = BTreeMap::new();
    for tie in ties {
        if matches!(tie.how, TieKind::After(_)) {
            edges.entry(&tie.from).or_default().push(tie);
        }
    }
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        walk(cx, start, &edges, &mut done);
    }
}

/// Follows every way from `start`, without recursion: a file may name hundreds in a row. `done` holds
/// what leads into no circle, or into one that was reported.
fn walk<'a>(
    cx: &mut Context,
    start: &'a Name,
    edges: &BTreeMap<&'a Name, Vec<&'a Tie>>,
    done: &mut BTreeSet<&'a Name>,
) {
    let mut way: Vec<(&Name, usize)> = vec![(start, 0)];
    while let Some((name, next)) = way.last_mut() {
        let tie = edges.get(*name).and_then(|ties| ties.get(*next));
        *next += 1;
        let Some(tie) = tie else {
            done.insert(*name);
            way.pop();
            continue;
        };
        if let Some(at) = way.iter().position(|(name, _)| **name == tie.to) {
            let names = way[at..].iter().map(|(name, _)| name.as_str());
            let circle: Vec<&str> = names.chain([tie.to.as_str()]).collect();
            let message = if circle.len() == 2 {
                format!("`{}` waits for itself", tie.to)
            } else {
                format!("these wait for each other: {}", circle.join(" -> "))
            };
            let problem = Problem::new(message).help("remove one of these from `after`");
            cx.report(tie.span.clone(), problem);
        } else if !done.contains(&tie.to) {
            way.push((&tie.to, 0));
        }
    }
}
