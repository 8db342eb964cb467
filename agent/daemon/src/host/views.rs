//! The node as callers see it.

use super::shared::Shared;
use super::update;
use crate::clock;
use crate::records::Records;
use orlop_api::{ConfigEntry, ConfirmView, GenerationView, Status, TrialView, UpdatesView, Why};
use orlop_config::UpdatePolicy;
use orlop_core::boot::BootSequence;
use orlop_core::update::local_time;
use orlop_core::{
    Confirmation, GenerationId, Moment, NodeState, Present, generation_view, held_views,
    why as core_why,
};
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
    let state = records.state.as_ref()?;
    Some(generation_view(
        generation,
        state.status(id)?,
        running,
        &state.pinned,
    ))
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
            confirm: trial
                .confirm
                .as_ref()
                .map(|confirm| confirm_view(shared, confirm)),
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
        held: state
            .map(|state| held_views(state, &records.generations))
            .unwrap_or_default(),
        updates: updates(shared),
        job: shared.jobs.latest(),
        problems,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        os_release: image_version(shared),
        verity: shared.boot.verity,
        uptime_secs: clock::uptime().0 / 1000,
    }
}

/// Every config by the generation that brought it, newest first.
pub(super) fn config_history(shared: &Shared) -> Vec<ConfigEntry> {
    let mut before = None;
    let mut entries: Vec<ConfigEntry> = Vec::new();
    for view in generations(shared).into_iter().rev() {
        let current = view.current;
        if before.as_ref() == Some(&view.config) {
            // The same config, under another OS or with other images.
            if let Some(entry) = entries.last_mut() {
                entry.current |= current;
            }
            continue;
        }
        before = Some(view.config.clone());
        entries.push(ConfigEntry {
            generation: view.id,
            current,
            status: view.status,
            digest: view.config,
            created: view.created,
            origin: view.origin,
        });
    }
    entries.reverse();
    entries
}

/// The confirmation that the trial under way needs.
pub(super) fn confirm(shared: &Shared) -> Option<ConfirmView> {
    let trial = shared.records().ok()?.state?.trial?;
    Some(confirm_view(shared, trial.confirm.as_ref()?))
}

/// How a confirmation stands.
fn confirm_view(shared: &Shared, confirm: &Confirmation) -> ConfirmView {
    let now = clock::now();
    let left = confirm.left(Moment {
        boot: &shared.boot.booted.boot,
        uptime: clock::uptime(),
        now,
    });
    ConfirmView {
        left_secs: left.as_secs(),
        until: now.0.saturating_add(left.as_secs()),
        by: confirm.by.clone(),
    }
}

/// What the agent does by itself about updates, by the config that runs.
fn updates(shared: &Shared) -> Option<UpdatesView> {
    let (_, config) = shared.running_config().ok()?;
    let opens = update::window_opens(&config);
    let zone = clock::zone(config.host.timezone.as_deref());
    Some(UpdatesView {
        policy: match config.update.policy {
            UpdatePolicy::Auto => "auto",
            UpdatePolicy::Download => "download",
            UpdatePolicy::Manual => "manual",
        }
        .to_owned(),
        next_look: *shared.next_look.borrow(),
        window_opens: opens.map(|at| at.0),
        window_opens_local: opens.map(|at| local_time(at, &zone)),
    })
}

/// The version that the mounted OS says of itself, whatever the records say (os-release(5)).
fn image_version(shared: &Shared) -> Option<String> {
    let text = fs::read_to_string(shared.paths.os_release()).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("IMAGE_VERSION="))?;
    Some(value.trim_matches('"').to_owned())
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
    let window = updates(shared)
        .filter(|_| state.staged_by_agent)
        .and_then(|updates| updates.window_opens_local);
    let not_staged = shared.not_staged.borrow().clone();
    let present = Present {
        gate: gate.as_ref(),
        window: window.as_deref(),
        not_staged: not_staged.as_ref(),
    };
    core_why(&state, &records.generations, &records.verdicts, present)
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
