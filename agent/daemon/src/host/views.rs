//! The node as callers see it.

use super::shared::Shared;
use crate::clock;
use crate::records::Records;
use orlop_api::{GenerationView, Status, TrialView, Why};
use orlop_core::boot::BootSequence;
use orlop_core::{GenerationId, NodeState, generation_view, why as core_why};
use std::fs;

fn records_or_none(shared: &Shared) -> (Records, Option<String>) {
    match shared.records() {
        Ok(records) => (records, None),
        Err(fault) => (Records::empty(), Some(fault.message)),
    }
}

fn view(
    records: &Records,
    running: Option<GenerationId>,
    id: GenerationId,
) -> Option<GenerationView> {
    let generation = records.generations.get(&id)?;
    let status = records.state.as_ref()?.status(id)?;
    Some(generation_view(generation, status, running))
}

/// `orlop status`.
pub(super) fn status(shared: &Shared) -> Status {
    let (records, broken) = records_or_none(shared);
    let running = *shared.running.borrow();
    let state = records.state.as_ref();
    let trial = state
        .and_then(|state| state.trial.as_ref())
        .map(|trial| TrialView {
            generation: trial.generation.0,
            fallback: trial.fallback.map(|id| id.0),
            gate: shared.gate.borrow().clone(),
        });
    let mut problems = shared.problems.list();
    if let Some(broken) = broken.filter(|broken| !problems.contains(broken)) {
        problems.push(broken);
    }
    if !shared.boot.verity {
        problems
            .push("fs-verity is off: files of images are not checked when they are read".into());
    }
    let machine_id = fs::read_to_string(shared.paths.machine_id()).unwrap_or_default();
    Status {
        host: host_name(),
        machine_id: machine_id.trim().to_owned(),
        phase: *shared.phase.borrow(),
        current: running.and_then(|id| view(&records, running, id)),
        staged: state
            .and_then(|state| state.staged)
            .and_then(|id| view(&records, running, id)),
        trial,
        job: shared.jobs.latest(),
        problems,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        verity: shared.boot.verity,
        uptime_secs: clock::uptime().0 / 1000,
    }
}

/// Every generation on record, newest first.
pub(super) fn generations(shared: &Shared) -> Vec<GenerationView> {
    let (records, _) = records_or_none(shared);
    let running = *shared.running.borrow();
    records
        .generations
        .keys()
        .rev()
        .filter_map(|id| view(&records, running, *id))
        .collect()
}

/// `orlop why`.
pub(super) fn why(shared: &Shared) -> Why {
    let (records, _) = records_or_none(shared);
    let state = records
        .state
        .unwrap_or_else(|| NodeState::first(BootSequence(1)));
    let gate = shared.gate.borrow().clone();
    core_why(
        &state,
        &records.generations,
        &records.verdicts,
        gate.as_ref(),
    )
}

/// The kernel's host name.
fn host_name() -> String {
    match nix::unistd::gethostname() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(error) => {
            log::debug!("ignoring that the host name cannot be read: {error}");
            String::new()
        }
    }
}
