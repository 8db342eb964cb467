//! The node's own parser has the last word: what it refuses is taken out again, and named.

use crate::builder::Builder;
use crate::draft::{Spot, Table};
use crate::emit::{Emitted, emit};
use crate::error::ImportError;
use crate::limits::MAX_ROUNDS;
use crate::note::NoteKind;
use orlop_config::Diagnostic;

/// The draft as a TOML without a problem.
pub(crate) fn verified(builder: &mut Builder<'_>) -> Result<String, ImportError> {
    let mut problems = String::new();
    for _ in 0..MAX_ROUNDS {
        let emitted = emit(&builder.root);
        let Err(found) = orlop_config::parse("imported.toml", &emitted.text) else {
            return Ok(emitted.text);
        };
        problems = found.render();
        let mut spots: Vec<(Spot, String)> = Vec::new();
        for problem in found.list() {
            let Some(spot) = spot_of(&emitted, &builder.root, problem) else {
                continue;
            };
            if !spots.iter().any(|(other, _)| *other == spot) {
                spots.push((spot, words(problem)));
            }
        }
        // The last elements of a list first: the places of those before them stay as they are.
        spots.sort_by_key(|(spot, _)| std::cmp::Reverse(spot.element));
        let before = builder.notes.len();
        for (spot, why) in spots {
            if let Some(place) = builder.root.remove(&spot) {
                builder.notes.push(place.note(NoteKind::LeftOut, why));
            }
        }
        if builder.notes.len() == before {
            break;
        }
    }
    Err(ImportError::Refused { problems })
}

fn words(problem: &Diagnostic) -> String {
    match &problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message.clone(),
    }
}

/// The smallest part of the draft that the problem is in and that came from a file.
fn spot_of(emitted: &Emitted, root: &Table, problem: &Diagnostic) -> Option<Spot> {
    let around = |wanted: &dyn Fn(&std::ops::Range<usize>) -> bool| {
        let found = emitted.spots.iter().filter(|(range, _)| wanted(range));
        found.min_by_key(|(range, _)| range.len())
    };
    let span = &problem.span;
    let whole = around(&|range| range.start <= span.start && span.end <= range.end);
    let (_, spot) = whole.or_else(|| around(&|range| range.contains(&span.start)))?;
    let mut spot = spot.clone();
    // What was made here, and not in the file, cannot be named: what it is part of goes.
    while !comes_from_a_file(root, &spot.path) {
        spot.element = None;
        spot.path.pop();
        if spot.path.is_empty() {
            return None;
        }
    }
    Some(spot)
}

fn comes_from_a_file(root: &Table, path: &[String]) -> bool {
    let mut table = root;
    for (depth, key) in path.iter().enumerate() {
        match table.get(key) {
            Some(crate::draft::Item::Table(below)) if depth + 1 < path.len() => table = below,
            Some(item) => return depth + 1 == path.len() && item.place().is_some(),
            None => return false,
        }
    }
    false
}
