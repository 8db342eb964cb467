//! `orlop events`: what happens, as it happens.

use super::{Outcome, job, status};
use crate::client::{Client, Lines};
use crate::moment::{duration, time};
use crate::screen::{Screen, plain};
use futures_util::StreamExt;
use orlop_api::{Event, EventKind, Fault, FaultKind};

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let mut events: Lines<Event> = client.lines("/v1/events").await?;
    while let Some(event) = events.next().await {
        let event = event?;
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
