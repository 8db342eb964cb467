//! Making records and ESP agree with what runs when no switch is under way.

use super::draft::Draft;
use super::{Blocked, Observed, Plan, Policy, Step};
use crate::boot::{Entry, EntryFile, EntryName};
use crate::{GenerationId, paths};
use orlop_config::RootDigest;
use std::collections::BTreeSet;

/// `generation` runs: it becomes the current one, it gets a good boot entry if it has none, and
/// what is left over on the ESP and on record goes.
pub(super) fn settle(
    observed: &Observed,
    policy: &Policy,
    generation: GenerationId,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    if let Some(trial) = &draft.state.trial {
        return Err(Blocked::TrialUnderWay {
            generation: trial.generation,
        });
    }
    let running = draft.generation(generation)?;
    draft.state.current = Some(generation);
    let dropped = drop_old_generations(&mut draft);
    if draft.state != observed.state {
        draft.record_state();
    }
    for id in dropped {
        draft.push(Step::RemoveGeneration {
            path: paths::generation(id),
            generation: id,
        });
    }
    let keep = draft.roots_to_keep();
    if !draft
        .good_entries()
        .iter()
        .any(|entry| entry.root == running.os.root)
    {
        draft.provide_fallback_entry(running, &keep)?;
    }
    remove_leftovers(&mut draft, &keep);
    let mut plan = draft.plan(
        format!("settle on generation {generation}"),
        "it runs and no switch is under way",
    );
    plan.to = Some(generation);
    Ok(plan)
}

/// Forgets the oldest generations beyond the policy's limit.
fn drop_old_generations(draft: &mut Draft<'_>) -> Vec<GenerationId> {
    let state = &draft.state;
    let earlier_good = state
        .generations
        .iter()
        .rev()
        .filter(|(id, status)| {
            **status == crate::GenerationStatus::Good && Some(**id) < state.current
        })
        .map(|(id, _)| *id)
        .next();
    let needed = [
        state.current,
        state.staged,
        earlier_good,
        draft.previous_good(),
    ];
    let excess = state
        .generations
        .len()
        .saturating_sub(draft.policy.keep_generations);
    let dropped: Vec<_> = state
        .generations
        .keys()
        .copied()
        .filter(|id| !needed.contains(&Some(*id)))
        .take(excess)
        .collect();
    draft
        .state
        .generations
        .retain(|id, _| !dropped.contains(id));
    dropped
}

/// Removes our entries that no switch uses any more, then the UKIs that no entry names.
fn remove_leftovers(draft: &mut Draft<'_>, keep: &BTreeSet<RootDigest>) {
    let good = draft.good_entries();
    let newest = |root: &RootDigest| {
        good.iter()
            .filter(|entry| entry.root == *root)
            .map(|entry| entry.sequence)
            .max()
    };
    let needed = |name: &EntryName, file: &EntryFile| {
        name.counter.is_none()
            && Entry::read(&file.content).is_some_and(|entry| {
                keep.contains(&entry.root) && newest(&entry.root) == Some(entry.sequence)
            })
    };
    for (name, file) in draft.entries() {
        if !needed(&name, &file) {
            draft.remove_entry(&file.name);
        }
    }
    let named: BTreeSet<_> = draft
        .good_entries()
        .into_iter()
        .map(|entry| entry.root)
        .collect();
    for root in draft.ukis() {
        if !named.contains(&root) {
            draft.remove_image(&root);
        }
    }
}
