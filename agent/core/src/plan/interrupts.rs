//! What a plan interrupts, and for about how long, for people.

use super::Step;
use super::draft::Draft;
use super::switch::container;
use crate::Generation;
use orlop_config::{Refresh, starts_beside};
use std::collections::BTreeSet;

// What it takes on a small machine: docs/benchmarks.md has the figures.
const RESTART: &str = "the machine restarts: about a minute, with every container";
const SWAP: &str = "host services restart: about a second";

impl Draft<'_> {
    /// What the steps so far interrupt on the way from `from` to `to`, a phrase each; none at all
    /// interrupts nothing.
    pub(super) fn interrupts(&self, from: &Generation, to: &Generation) -> Vec<String> {
        let mut out = Vec::new();
        match self.last() {
            Some(Step::Reboot) => return vec![RESTART.to_owned()],
            Some(Step::SwapRoot { .. }) => {
                let (stop, start) = self.containers_to_replace(Some(from), to);
                out.push(SWAP.to_owned());
                out.extend(self.replaced(from, to, &stop, &start));
                let others = to.containers.keys().any(|name| !start.contains(name));
                out.extend(others.then(|| go_on(start.len())));
                return out;
            }
            _ => {}
        }
        for step in self.steps() {
            match step {
                Step::RenderEtc { refresh, .. } => out.extend(told(refresh.as_ref())),
                Step::ReplaceContainers { stop, start, .. } => {
                    out.extend(self.replaced(from, to, stop, start));
                }
                _ => {}
            }
        }
        if !out.is_empty() {
            out.push("the host keeps running".to_owned());
        }
        out
    }

    /// Containers by what becomes of them.
    fn replaced(
        &self,
        from: &Generation,
        to: &Generation,
        stop: &[String],
        start: &[String],
    ) -> Vec<String> {
        let only = |a: &[String], b: &[String]| -> Vec<String> {
            a.iter().filter(|name| !b.contains(name)).cloned().collect()
        };
        let both = stop.iter().filter(|name| start.contains(name)).cloned();
        let (beside, stopped): (Vec<_>, Vec<_>) =
            both.partition(|name| self.starts_beside(from, to, name));
        [
            say(
                stopped,
                "is replaced: a few seconds",
                "are replaced: a few seconds each",
            ),
            say(
                beside,
                "is replaced start-first: not interrupted",
                "are replaced start-first: not interrupted",
            ),
            say(only(stop, start), "is removed", "are removed"),
            say(only(start, stop), "is new", "are new"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether a container that runs is replaced start-first. Where a config cannot be read: no.
    fn starts_beside(&self, from: &Generation, to: &Generation, name: &str) -> bool {
        let config = |generation: &Generation| self.observed.configs.get(&generation.config);
        let (Some(a), Some(b)) = (config(from), config(to)) else {
            return false;
        };
        match (container(a, name), container(b, name)) {
            (Some(old), Some(new)) => starts_beside(old, &a.net, new, &b.net),
            (None, _) | (_, None) => false,
        }
    }
}

fn go_on(replaced: usize) -> String {
    match replaced {
        0 => "the containers go on",
        _ => "the other containers go on",
    }
    .to_owned()
}

fn say(names: Vec<String>, one: &str, many: &str) -> Option<String> {
    match &names[..] {
        [] => None,
        [name] => Some(format!("container {name} {one}")),
        _ => Some(format!("containers {} {many}", names.join(", "))),
    }
}

fn told(refresh: Option<&BTreeSet<Refresh>>) -> Option<String> {
    let Some(refresh) = refresh else {
        return Some("host services whose settings differ restart: about a second".to_owned());
    };
    let words: Vec<_> = refresh.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| format!("{}: less than a second", words.join(", ")))
}
