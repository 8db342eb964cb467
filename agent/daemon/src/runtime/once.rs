//! Tasks that run once in the life of a node (`run = "once"`) and have ended with status 0. That is on record in
//! the state partition, by the task's name: it outlives restarts, updates and roll backs.
//!
//! The record is made after the end, when the agent sees it, and before anybody goes on who waits for it. A power
//! cut in between makes the task run once more: at least once, and never on record without an end.

use super::absent::remove_file;
use super::error::StepError;
use super::observe::{names_in, read_text};
use super::places::Places;
use super::record;
use orlop_config::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run that is the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    /// When the agent saw its end, seconds since 1970-01-01 UTC; 0 where the record does not say.
    pub(super) at: u64,
    /// The generation that ran.
    pub(super) generation: u64,
}

/// Records by task.
pub(super) type AllDone = BTreeMap<Name, Done>;

/// Every record. One that cannot be understood still says that the task is done.
pub(super) fn load(places: &Places) -> Result<AllDone, StepError> {
    let mut all = AllDone::new();
    for name in names_in(&places.all_done(), Name::new)? {
        let text = read_text(&places.done(&name))?.unwrap_or_default();
        let done = serde_json::from_str(&text).unwrap_or_else(|error| {
            let name = name.as_str();
            log::warn!(container = name; "cannot read when task {name} was done: {error}");
            Done::default()
        });
        all.insert(name, done);
    }
    Ok(all)
}

/// Returns when the record is on disk. Idempotent.
pub(super) fn note(places: &Places, name: &Name, done: &Done) -> Result<(), StepError> {
    record::write(&places.all_done(), name.as_str(), done)
}

/// There is no record any more: it runs again. Idempotent.
pub(super) fn forget(places: &Places, name: &Name) -> Result<(), StepError> {
    remove_file(&places.done(name))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn what_is_done_stays_so_until_it_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        assert!(load(&places).unwrap().is_empty());
        forget(&places, &name("format")).unwrap();
        let done = Done {
            at: 7,
            generation: 2,
        };
        note(&places, &name("format"), &done).unwrap();
        note(&places, &name("format"), &done).unwrap();
        assert_eq!(load(&places).unwrap()[&name("format")], done);
        forget(&places, &name("format")).unwrap();
        assert!(load(&places).unwrap().is_empty());
    }

    #[test]
    fn a_record_that_cannot_be_read_still_counts_and_one_cut_short_does_not() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        note(&places, &name("a"), &Done::default()).unwrap();
        std::fs::write(places.done(&name("b")), "half a rec").unwrap();
        std::fs::write(places.all_done().join("c.new"), "").unwrap();
        let all = load(&places).unwrap();
        let names: Vec<&str> = all.keys().map(Name::as_str).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
