//! What must hold at every moment, and when nothing is left to do.

use super::Node;
use super::images::{has_no_agent, is_dead};
use orlop_core::boot::{Entry, EntryName, loader};
use std::collections::BTreeSet;

impl Node {
    /// What must hold after every single effect.
    pub(super) fn check_invariants(&self) {
        let mut numbers = BTreeSet::new();
        for file in &self.esp.entries {
            let entry = Entry::read(&file.content).unwrap();
            let name: EntryName = file.name.parse().unwrap();
            assert!(
                self.esp.ukis.contains_key(&entry.root),
                "{} before its UKI",
                file.name
            );
            assert!(numbers.insert(name.sequence), "two entries with one number");
        }
        let good = self
            .esp
            .entries
            .iter()
            .filter(|file| !file.name.contains('+'));
        let newest = good
            .filter_map(|file| Entry::read(&file.content))
            .max_by_key(|entry| entry.sequence)
            .expect("no good entry");
        assert!(
            !is_dead(&self.images[&newest.root].version)
                && !has_no_agent(&self.images[&newest.root].version),
            "the good entry does not boot"
        );
        if let Some(state) = &self.state {
            for id in state.generations.keys() {
                assert!(
                    self.generations.contains_key(id),
                    "generation {id} before its file"
                );
            }
            if let Some(armed) = state.trial.as_ref().and_then(|trial| trial.entry) {
                assert!(armed < state.next_boot);
            }
        }
    }

    /// What must hold when nothing is left to do.
    pub(crate) fn check_settled(&self) {
        let state = self.state.as_ref().expect("no state");
        assert_eq!(state.trial, None, "the trial goes on");
        let current = &self.generations[&state.current.unwrap()];
        assert_eq!(
            self.booted.as_ref(),
            Some(&current.os.root),
            "another image runs"
        );
        let names: Vec<_> = self
            .esp
            .entries
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        assert!(
            names.iter().all(|name| !name.contains('+')),
            "left over: {names:?}"
        );
        assert_eq!(
            names.len(),
            self.esp.ukis.len(),
            "an entry for each UKI: {names:?}"
        );
        assert!(
            names.len() <= 2,
            "what is current, and what to go back to: {names:?}"
        );
        let next = loader::choose(&self.esp.entries, |_| true).unwrap();
        assert_eq!(
            Entry::read(&next.entry.content).unwrap().root,
            current.os.root
        );
        for (id, generation) in &self.generations {
            let known =
                state.generations.contains_key(id) || generation.id == state.next_generation;
            assert!(known, "generation {id} is left over");
        }
    }
}
