//! `orlop events`: what happens, as it happens.

use super::{Outcome, job, status};
use crate::client::{Client, Lines};
use crate::moment::{duration, time};
use crate::screen::{Screen, plain};
use futures_util::StreamExt;
use orlop_api::{Event, EventKind, Fault, FaultKind};

/// Its options.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Only these kinds: `phase`, `job`, `trial`, `check`, `container`, `verdict`; may be given more than once.
    /// What was missed is told all the same.
    #[arg(long, value_name = "KIND", value_parser = KINDS)]
    kind: Vec<String>,
    /// Only of this container; may be given more than once.
    #[arg(long, value_name = "NAME")]
    container: Vec<String>,
}

/// The kinds that can be asked for.
const KINDS: [&str; 6] = ["phase", "job", "trial", "check", "container", "verdict"];

impl Options {
    /// Of containers alone, or of one.
    pub(crate) fn of_containers(name: Option<String>) -> Self {
        Self {
            kind: vec!["container".to_owned()],
            container: name.into_iter().collect(),
        }
    }

    fn wants(&self, event: &EventKind) -> bool {
        let (kind, container) = match event {
            EventKind::Phase { .. } => ("phase", None),
            EventKind::Job { .. } => ("job", None),
            EventKind::Trial { .. } => ("trial", None),
            EventKind::Check { .. } => ("check", None),
            EventKind::Container { name, .. } => ("container", Some(name)),
            EventKind::Verdict { .. } => ("verdict", None),
            EventKind::Missed { .. } => return true,
        };
        let is_of = |name: &String| self.container.contains(name);
        (self.kind.is_empty() || self.kind.iter().any(|wanted| wanted == kind))
            && (self.container.is_empty() || container.is_some_and(is_of))
    }
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let mut events: Lines<Event> = client.lines("/v1/events").await?;
    while let Some(event) = events.next().await {
        let event = event?;
        if !options.wants(&event.kind) {
            continue;
        }
        screen.show_line(&event, |screen| {
            format!("{}  {}\n", time(event.at), text(screen, &event.kind))
        })?;
    }
    Err(Fault::new(
        FaultKind::Transient,
        "cannot follow events any longer: the agent stopped",
    )
    .hint("start `orlop events` again once it is back"))
}

fn text(screen: &Screen, kind: &EventKind) -> String {
    match kind {
        EventKind::Phase { phase } => format!("phase      {phase}"),
        EventKind::Job { job } => plain(&format!(
            "job        {} {}: {}",
            job.id,
            job.operation,
            job::state_text(job)
        )),
        EventKind::Trial {
            generation,
            fallback,
            confirm_secs,
        } => trial_text(*generation, *fallback, *confirm_secs),
        EventKind::Missed { count } => {
            format!("missed     {count} events: they came faster than they were read")
        }
        EventKind::Check { check } => format!("check      {}", status::check_line(screen, check)),
        EventKind::Container { name, state } => plain(&format!("container  {name}: {state}")),
        EventKind::Verdict { verdict } => {
            let result = if verdict.good { "good" } else { "failed" };
            plain(&format!(
                "verdict    generation {} {result}: {}; generation {} runs",
                verdict.generation, verdict.trigger, verdict.running
            ))
        }
    }
}

fn trial_text(generation: u64, fallback: Option<u64>, confirm_secs: Option<u64>) -> String {
    let back = match fallback {
        Some(id) => format!("generation {id} is the way back"),
        None => "no way back".to_owned(),
    };
    let confirm = match confirm_secs {
        Some(secs) => format!(", to be confirmed within {}", duration(secs)),
        None => String::new(),
    };
    format!("trial      generation {generation} is on trial, {back}{confirm}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_api::Phase;

    #[test]
    fn what_was_missed_is_told_whatever_is_asked_for() {
        let of = |name: &str| EventKind::Container {
            name: name.to_owned(),
            state: "running".to_owned(),
        };
        let (phase, missed) = (
            EventKind::Phase { phase: Phase::Idle },
            EventKind::Missed { count: 3 },
        );
        let all = Options::default();
        assert!(
            [&phase, &missed, &of("web")]
                .into_iter()
                .all(|kind| all.wants(kind))
        );
        let web = Options::of_containers(Some("web".to_owned()));
        assert!(web.wants(&of("web")) && web.wants(&missed));
        assert!(!web.wants(&of("db")) && !web.wants(&phase));
        assert!(Options::of_containers(None).wants(&of("db")));
    }
}
