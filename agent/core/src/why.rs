//! Why the node is where it is, in sentences.

use crate::{
    Generation, GenerationId, GenerationStatus, Held, NodeState, Trial, TrialKind, TrialStage,
    Trigger, Verdict,
};
use orlop_api::{Fault, GateView, HeldView, Why};
use std::collections::BTreeMap;

/// What the node knows now besides its records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Present<'a> {
    /// The gate at work, if one is.
    pub gate: Option<&'a GateView>,
    /// When the window opens that the agent waits for to switch by itself, if it does.
    pub window: Option<&'a str>,
    /// Why what was asked for last could not be staged; none where it could.
    pub not_staged: Option<&'a Fault>,
}

/// Why this generation runs, why not a newer one, and what is being waited for. `verdicts` is every
/// verdict on record, in any order.
pub fn why(
    state: &NodeState,
    generations: &BTreeMap<GenerationId, Generation>,
    verdicts: &[Verdict],
    present: Present<'_>,
) -> Why {
    let Present { gate, window, .. } = present;
    let newest = verdicts.iter().max_by_key(|verdict| verdict.number);
    Why {
        running: running(state, generations, verdicts),
        not_newer: not_newer(state, verdicts, present),
        waiting_for: waiting_for(state, gate, window),
        held: held_views(state, generations),
        verdict: newest.map(Into::into),
    }
}

fn running(
    state: &NodeState,
    generations: &BTreeMap<GenerationId, Generation>,
    verdicts: &[Verdict],
) -> String {
    let Some(id) = state.running() else {
        return "The node has no generation yet.".to_owned();
    };
    let os = generations
        .get(&id)
        .map(|g| format!(" (OS {})", g.os.version))
        .unwrap_or_default();
    let runs = format!("Generation {id}{os} runs");
    if let Some(Trial {
        stage: TrialStage::Running,
        kind,
        fallback,
        ..
    }) = &state.trial
    {
        return match (kind, fallback) {
            (TrialKind::Update, Some(fallback)) => {
                format!("{runs} on trial; if its gate fails, generation {fallback} comes back.")
            }
            (TrialKind::RollBack, _) => format!("{runs} because the operator went back to it."),
            (TrialKind::First | TrialKind::Update, _) => {
                format!(
                    "{runs} on trial; it is the node's first, so there is nothing to go back to."
                )
            }
        };
    }
    let cause = verdicts
        .iter()
        .filter(|v| v.running == id)
        .max_by_key(|v| v.number);
    match cause {
        None => format!("{runs}; no verdict about it is on record."),
        Some(Verdict {
            generation,
            trigger: Trigger::Operator { caller },
            ..
        }) => {
            format!("{runs} because {caller} rolled back generation {generation}.")
        }
        Some(verdict) if verdict.generation != id => format!(
            "{runs} because generation {} failed: {}.",
            verdict.generation, verdict.trigger
        ),
        Some(verdict) if verdict.good => format!("{runs} because {}.", verdict.trigger),
        Some(verdict) => {
            let was_good = verdicts.iter().any(|v| v.good && v.generation == id);
            let stays = if was_good {
                "It was good before, so it stays."
            } else {
                "There was nothing to go back to."
            };
            format!("{runs} although it failed: {}. {stays}", verdict.trigger)
        }
    }
}

/// Every image on hold, by the name that it had in the generation that failed with it.
pub fn held_views(
    state: &NodeState,
    generations: &BTreeMap<GenerationId, Generation>,
) -> Vec<HeldView> {
    let reference = |held: &Held| {
        let generation = generations.get(&held.generation)?;
        let os = (&generation.os.manifest, &generation.os.reference);
        let containers = generation.containers.values();
        std::iter::once(os)
            .chain(containers.map(|image| (&image.manifest, &image.reference)))
            .find(|(manifest, _)| **manifest == held.manifest)
            .map(|(_, reference)| reference.clone())
    };
    let view = |held: &Held| HeldView {
        manifest: held.manifest.to_string(),
        reference: reference(held),
        generation: held.generation.0,
    };
    state.held.iter().map(view).collect()
}

fn not_newer(state: &NodeState, verdicts: &[Verdict], present: Present<'_>) -> Option<String> {
    let on_record = newer_on_record(state, verdicts, present.window);
    let not_staged = present.not_staged.map(|fault| {
        let hints = fault.hints.iter().map(|hint| format!("; {hint}"));
        format!(
            "What was asked for last could not be staged: {}{}.",
            fault.message,
            hints.collect::<String>()
        )
    });
    let reasons: Vec<_> = on_record.into_iter().chain(not_staged).collect();
    (!reasons.is_empty()).then(|| reasons.join(" "))
}

fn newer_on_record(
    state: &NodeState,
    verdicts: &[Verdict],
    window: Option<&str>,
) -> Option<String> {
    let running = state.running()?;
    let (newer, status) = state.generations.last_key_value()?;
    if *newer <= running {
        return None;
    }
    Some(match status {
        GenerationStatus::Staged => match window {
            Some(opens) => format!(
                "Generation {newer} is staged and waits for its window, which opens at {opens}."
            ),
            None => format!("Generation {newer} is staged and waits for `orlop update apply`."),
        },
        GenerationStatus::Trial => {
            format!("The node is on its way to generation {newer}.")
        }
        GenerationStatus::Good => {
            format!("Generation {newer} was good, and the operator left it.")
        }
        GenerationStatus::Failed => failed(state, *newer, verdicts),
    })
}

fn failed(state: &NodeState, newer: GenerationId, verdicts: &[Verdict]) -> String {
    let verdict = verdicts
        .iter()
        .filter(|verdict| verdict.generation == newer)
        .max_by_key(|v| v.number);
    let by_operator = matches!(
        verdict,
        Some(Verdict {
            trigger: Trigger::Operator { .. },
            ..
        })
    );
    let mut text = match verdict {
        Some(verdict) if by_operator => {
            format!("Generation {newer} was left: {}.", verdict.trigger)
        }
        Some(verdict) => format!("Generation {newer} failed: {}.", verdict.trigger),
        None => format!("Generation {newer} failed."),
    };
    if state.held.iter().any(|held| held.generation == newer) {
        text.push_str(
            " Its new images are on hold: the agent does not stage them again by itself; \
             `orlop update release DIGEST` lets it.",
        );
    }
    text
}

fn waiting_for(state: &NodeState, gate: Option<&GateView>, window: Option<&str>) -> Option<String> {
    if let Some(trial) = &state.trial {
        let id = trial.generation;
        return Some(match &trial.stage {
            TrialStage::Armed if trial.entry.is_some() => {
                format!("The restart into generation {id}.")
            }
            TrialStage::Armed => format!("The containers and the config of generation {id}."),
            TrialStage::Running => gate.map_or_else(
                || format!("The gate of generation {id} to begin."),
                gate_words,
            ),
            TrialStage::Ending { verdict } if verdict.running == id => {
                format!("The records of generation {id}'s verdict.")
            }
            TrialStage::Ending { verdict } => {
                format!("The way back to generation {}.", verdict.running)
            }
        });
    }
    if let Some(staged) = state.staged {
        return Some(match window {
            Some(opens) => format!(
                "The window that opens at {opens}: the agent switches to generation {staged} then; \
                 `orlop update apply` does now."
            ),
            None => format!("`orlop update apply`, which switches to generation {staged}."),
        });
    }
    // A good one is only looked at once more: nobody waits for that.
    let good = state
        .current
        .is_some_and(|id| state.status(id) == Some(GenerationStatus::Good));
    gate.filter(|_| !good).map(gate_words)
}

fn gate_words(gate: &GateView) -> String {
    let open: Vec<_> = gate
        .checks
        .iter()
        .filter(|check| check.pass != Some(true))
        .collect();
    if open.is_empty() {
        return format!(
            "Every check to go on passing: {} s of {} s done.",
            gate.held_secs, gate.hold_secs
        );
    }
    let names: Vec<_> = open
        .iter()
        .map(|check| match (check.pass, check.detail.is_empty()) {
            (None, true) => format!("`{}` (no result yet)", check.name),
            (Some(_), true) => format!("`{}`", check.name),
            (_, false) => format!("`{}` ({})", check.name, check.detail),
        })
        .collect();
    format!(
        "{} to pass; {} s left.",
        names.join(" and "),
        gate.left_secs
    )
}
