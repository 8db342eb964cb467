//! Pinning: a pinned generation is never removed by itself.

use super::draft::Draft;
use super::{Blocked, Observed, Plan, Policy};
use crate::{GenerationId, GenerationStatus};

/// Keeps `generation` until it is unpinned. Only what was good can be gone back to, so nothing else
/// is worth keeping.
pub(super) fn pin(
    observed: &Observed,
    policy: &Policy,
    generation: GenerationId,
) -> Result<Plan, Blocked> {
    match observed.state.status(generation) {
        None => return Err(Blocked::NoSuchGeneration { generation }),
        Some(GenerationStatus::Good) => {}
        Some(_) => return Err(Blocked::CannotPin { generation }),
    }
    let mut draft = Draft::new(observed, policy);
    if draft.state.pinned.insert(generation) {
        draft.record_state();
    }
    let mut plan = draft.plan(
        format!("pin generation {generation}"),
        "it stays until it is unpinned",
    );
    plan.to = Some(generation);
    Ok(plan)
}

/// Lets `generation` go when its time comes.
pub(super) fn unpin(
    observed: &Observed,
    policy: &Policy,
    generation: GenerationId,
) -> Result<Plan, Blocked> {
    if observed.state.status(generation).is_none() {
        return Err(Blocked::NoSuchGeneration { generation });
    }
    let mut draft = Draft::new(observed, policy);
    if draft.state.pinned.remove(&generation) {
        draft.record_state();
    }
    let mut plan = draft.plan(
        format!("unpin generation {generation}"),
        "it goes when newer ones take its place",
    );
    plan.to = Some(generation);
    Ok(plan)
}
