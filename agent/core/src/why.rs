//! Why the node is where it is, in sentences.

use crate::{Generation, GenerationId, NodeState, Verdict};
use orlop_api::{GateView, Why};
use std::collections::BTreeMap;

/// Why this generation runs, why not a newer one, and what is being waited for. `verdicts` is every
/// verdict on record; `gate` the gate at work, if one is.
pub fn why(
    state: &NodeState,
    generations: &BTreeMap<GenerationId, Generation>,
    verdicts: &[Verdict],
    gate: Option<&GateView>,
) -> Why {
    let _ = (state, generations, gate);
    let newest = verdicts.iter().max_by_key(|verdict| verdict.number);
    Why {
        running: String::new(),
        not_newer: None,
        waiting_for: None,
        verdict: newest.map(Into::into),
    }
}
