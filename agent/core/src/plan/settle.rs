//! Making records and ESP agree with what runs when no switch is under way.

use super::draft::Draft;
use super::{Blocked, Observed, Plan, Policy, Step};
use crate::boot::{Entry, EntryFile, EntryName};
use crate::{Generation, GenerationId, paths};
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
    drop_old_generations(&mut draft, running);
    if draft.state != observed.state {
        draft.record_state();
    }
    forget_what_is_not_listed(&mut draft);
    forget_old_verdicts(&mut draft);
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

/// Takes the oldest generations beyond `[generations] keep` of the config that runs off the list. The
/// pinned ones are not counted.
fn drop_old_generations(draft: &mut Draft<'_>, running: &Generation) {
    let config = draft.observed.configs.get(&running.config);
    let keep = config.map_or_else(orlop_config::Generations::default, |c| {
        c.generations.clone()
    });
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
    let counted = || {
        let ids = state.generations.keys().copied();
        ids.filter(|id| !state.pinned.contains(id))
    };
    let excess = counted().count().saturating_sub(keep.keep);
    let dropped: Vec<_> = counted()
        .filter(|id| !needed.contains(&Some(*id)))
        .take(excess)
        .collect();
    let state = &mut draft.state;
    state.generations.retain(|id, _| !dropped.contains(id));
    let listed = &state.generations;
    state.pinned.retain(|id| listed.contains_key(id));
}

/// Removes the files of generations that the state does not list, also those of a staging that was cut
/// short, and the TOMLs that no other one has.
fn forget_what_is_not_listed(draft: &mut Draft<'_>) {
    let observed = draft.observed;
    let listed = |id: &GenerationId| draft.state.generations.contains_key(id);
    let (kept, gone): (Vec<_>, Vec<_>) = observed.generations.values().partition(|g| listed(&g.id));
    let configs: BTreeSet<_> = kept.iter().map(|generation| &generation.config).collect();
    for generation in gone {
        draft.push(Step::RemoveGeneration {
            path: paths::generation(generation.id),
            generation: generation.id,
        });
    }
    for digest in &observed.config_files {
        if !configs.contains(digest) {
            draft.push(Step::RemoveConfig {
                path: paths::config(digest),
            });
        }
    }
}

/// Removes the oldest verdicts beyond the policy's limit. The newest of each generation stays: it says
/// how the generation stands.
fn forget_old_verdicts(draft: &mut Draft<'_>) {
    let verdicts = &draft.observed.verdicts;
    let excess = verdicts.len().saturating_sub(draft.policy.keep_verdicts);
    let newest = |number: u32, generation: GenerationId| {
        let mut newer = verdicts.range(number.saturating_add(1)..);
        newer.all(|(_, other)| *other != generation)
    };
    let listed = |generation| draft.state.generations.contains_key(generation);
    let old: Vec<_> = verdicts
        .iter()
        .filter(|(number, generation)| !(listed(generation) && newest(**number, **generation)))
        .take(excess)
        .map(|(number, generation)| paths::verdict(*generation, *number))
        .collect();
    for path in old {
        draft.push(Step::RemoveVerdict { path });
    }
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
