//! A node state out of what else is on record, for a node whose state file is damaged.

use orlop_core::{
    Generation, GenerationId, GenerationStatus, NodeState, Verdict, boot::BootSequence,
};
use std::collections::BTreeMap;

/// The state that the other records speak for: a generation stands as its newest verdict says, and
/// the newest good one is current. A trial is not rebuilt: a generation without a verdict counts as
/// staged before, and what runs is found out from what was booted.
pub fn rebuild(
    generations: &BTreeMap<GenerationId, Generation>,
    verdicts: &[Verdict],
    next_boot: BootSequence,
) -> NodeState {
    let mut state = NodeState::first(next_boot);
    for id in generations.keys() {
        let newest = verdicts
            .iter()
            .filter(|verdict| verdict.generation == *id)
            .max_by_key(|verdict| verdict.number);
        let status = match newest {
            Some(verdict) if verdict.good => GenerationStatus::Good,
            Some(_) => GenerationStatus::Failed,
            None => GenerationStatus::Staged,
        };
        state.generations.insert(*id, status);
    }
    let newest_with = |status| {
        let mut ids = state.generations.iter().rev();
        ids.find(|(_, found)| **found == status).map(|(id, _)| *id)
    };
    state.current = newest_with(GenerationStatus::Good)
        .or_else(|| newest_with(GenerationStatus::Failed))
        .or_else(|| newest_with(GenerationStatus::Staged));
    let last = generations.keys().next_back().map_or(0, |id| id.0);
    state.next_generation = GenerationId(last.saturating_add(1));
    let number = verdicts
        .iter()
        .map(|verdict| verdict.number)
        .max()
        .unwrap_or(0);
    state.next_verdict = number.saturating_add(1);
    state
}
