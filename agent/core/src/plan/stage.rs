//! Recording a generation.

use super::draft::Draft;
use super::{Asker, Blocked, Observed, Plan, Policy, Step};
use crate::{Generation, GenerationId, GenerationStatus, Timestamp, Trial, TrialKind, TrialStage};
use crate::{Means, paths};

/// Records `generation` to be applied later.
pub(super) fn stage(
    observed: &Observed,
    policy: &Policy,
    generation: &Generation,
    config: &str,
    asker: Asker,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    if let Some(trial) = &draft.state.trial {
        return Err(Blocked::TrialUnderWay {
            generation: trial.generation,
        });
    }
    let held = observed.state.held_image(generation);
    if let (Asker::Agent, Some(held)) = (asker, held) {
        let manifest = held.manifest.to_string();
        return Err(Blocked::Held {
            manifest,
            generation: held.generation,
        });
    }
    let known = |id: Option<GenerationId>| observed.generations.get(&id?);
    if let Some(running) = known(draft.state.current).filter(|known| known.runs_same(generation)) {
        return Err(Blocked::NothingNew {
            generation: running.id,
        });
    }
    if let Some(staged) = known(draft.state.staged).filter(|known| known.runs_same(generation)) {
        // What an operator stages too is the operator's to apply.
        if asker == Asker::Operator && draft.state.staged_by_agent {
            draft.state.staged_by_agent = false;
            draft.record_state();
        }
        let mut plan = draft.plan(
            format!("stage generation {}", staged.id),
            "it is staged already",
        );
        plan.to = Some(staged.id);
        return Ok(plan);
    }
    let generation = record(&mut draft, generation, config);
    let superseded = draft.state.staged.replace(generation.id);
    draft.state.staged_by_agent = asker == Asker::Agent;
    draft
        .state
        .generations
        .insert(generation.id, GenerationStatus::Staged);
    if let Some(id) = superseded {
        draft.state.generations.remove(&id);
    }
    draft.record_state();
    if let Some(id) = superseded {
        draft.push(Step::RemoveGeneration {
            path: paths::generation(id),
            generation: id,
        });
    }
    let from = known(observed.state.current);
    let mut plan = draft.plan(
        format!("stage generation {}", generation.id),
        "recorded only; nothing that runs is touched",
    );
    plan.derived = from.map_or(Means::Config, |from| Means::between(from, &generation));
    plan.to = Some(generation.id);
    Ok(plan)
}

/// Records the node's first generation and begins its trial.
pub(super) fn begin(
    observed: &Observed,
    policy: &Policy,
    generation: &Generation,
    config: &str,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    if let Some(id) = draft.state.running() {
        return Err(Blocked::AlreadyThere { generation: id });
    }
    if let Some(trial) = &draft.state.trial {
        return Err(Blocked::TrialUnderWay {
            generation: trial.generation,
        });
    }
    if generation.os.root != observed.booted.root {
        return Err(Blocked::OtherImageRuns {
            generation: draft.state.next_generation,
        });
    }
    let generation = record(&mut draft, generation, config);
    draft
        .state
        .generations
        .insert(generation.id, GenerationStatus::Trial);
    draft.state.trial = Some(Trial {
        generation: generation.id,
        kind: TrialKind::First,
        fallback: None,
        stage: TrialStage::Armed,
        means: Means::Config,
        entry: None,
        tries: policy.tries,
        boots: 0,
        attempts: 1,
        given_back: 0,
        boot: observed.booted.boot.clone(),
        armed: now,
        gate_started: None,
        confirm: None,
    });
    draft.record_state();
    draft.change_here(None, &generation, Means::Config);
    let mut plan = draft.plan(
        format!("begin with generation {}", generation.id),
        "the node has no generation yet; there is nothing to go back to",
    );
    plan.interrupts = vec!["nothing that runs yet".to_owned()];
    plan.to = Some(generation.id);
    (plan.derived, plan.used) = (Means::Config, Means::Config);
    Ok(plan)
}

/// Writes TOML and generation, under the next id, which is taken.
fn record(draft: &mut Draft<'_>, generation: &Generation, config: &str) -> Generation {
    let generation = Generation {
        id: draft.state.next_generation,
        ..generation.clone()
    };
    draft.state.next_generation = GenerationId(generation.id.0.saturating_add(1));
    draft.push(Step::WriteConfig {
        path: paths::config(&generation.config),
        text: config.to_owned(),
    });
    draft.push(Step::WriteGeneration {
        path: paths::generation(generation.id),
        generation: Box::new(generation.clone()),
    });
    generation
}
