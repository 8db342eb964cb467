//! A plan being written.

use super::{Blocked, Esp, Means, Observed, Plan, Policy, Step};
use crate::boot::{BootSequence, Counter, Entry, EntryFile, EntryName};
use crate::{Generation, GenerationId, NodeState, Verdict, paths};
use orlop_config::RootDigest;
use std::collections::BTreeSet;

/// The steps so far, and what the node is like when they are done.
pub(super) struct Draft<'a> {
    pub(super) observed: &'a Observed,
    pub(super) policy: &'a Policy,
    /// The node state as the next [`Draft::record_state`] writes it.
    pub(super) state: NodeState,
    esp: Esp,
    steps: Vec<Step>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(observed: &'a Observed, policy: &'a Policy) -> Self {
        let esp = observed.esp.clone();
        let mut state = observed.state.clone();
        // Whatever is decided now has taken it into account; both become durable at once.
        state.remains_seen = observed.booted.remains.ids();
        Self {
            observed,
            policy,
            state,
            esp,
            steps: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The steps so far.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The last step so far.
    pub(super) fn last(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// The plan, with what people read left to fill in.
    pub(super) fn plan(self, purpose: impl Into<String>, why: impl Into<String>) -> Plan {
        Plan {
            purpose: purpose.into(),
            from: self.observed.state.running(),
            to: None,
            derived: Means::Nothing,
            used: Means::Nothing,
            why: why.into(),
            interrupts: Vec::new(),
            stays: Vec::new(),
            steps: self.steps,
        }
    }

    pub(super) fn generation(&self, id: GenerationId) -> Result<&'a Generation, Blocked> {
        let known = self.observed.generations.get(&id);
        known.ok_or(Blocked::NoSuchGeneration { generation: id })
    }

    /// Writes the node state as it now stands.
    pub(super) fn record_state(&mut self) {
        self.push(Step::RecordState {
            path: paths::STATE.to_owned(),
            state: Box::new(self.state.clone()),
        });
    }

    pub(super) fn record_verdict(&mut self, verdict: &Verdict) {
        self.push(Step::RecordVerdict {
            path: paths::verdict(verdict.generation, verdict.number),
            verdict: Box::new(verdict.clone()),
        });
    }

    /// Our entries on the ESP.
    pub(super) fn entries(&self) -> Vec<(EntryName, EntryFile)> {
        let named = |file: &EntryFile| Some((file.name.parse().ok()?, file.clone()));
        self.esp.entries.iter().filter_map(named).collect()
    }

    /// The file of the entry with this number, whatever its counter.
    pub(super) fn entry(&self, sequence: BootSequence) -> Option<(EntryName, EntryFile)> {
        self.entries()
            .into_iter()
            .find(|(name, _)| name.sequence == sequence)
    }

    /// Good entries whose UKI is there, by number.
    pub(super) fn good_entries(&self) -> Vec<Entry> {
        let mut good: Vec<_> = self
            .entries()
            .iter()
            .filter(|(name, _)| name.counter.is_none())
            .filter_map(|(_, file)| Entry::read(&file.content))
            .filter(|entry| self.esp.ukis.contains_key(&entry.root))
            .collect();
        good.sort_by_key(|entry| entry.sequence);
        good
    }

    /// A number that no entry has, and that none will get again.
    pub(super) fn take_sequence(&mut self) -> BootSequence {
        let free = self
            .state
            .next_boot
            .max(BootSequence::after(&self.esp.entries));
        self.state.next_boot = free.next();
        free
    }

    pub(super) fn write_entry(&mut self, entry: &Entry, counter: Option<Counter>) {
        let file = entry.file(counter);
        self.push(Step::WriteEntry {
            path: paths::entry(&file.name),
            content: file.content.clone(),
        });
        self.esp.entries.retain(|known| known.name != file.name);
        self.esp.entries.push(file);
    }

    pub(super) fn rename_entry(&mut self, from: EntryName, to: EntryName) {
        let (from, to) = (from.to_string(), to.to_string());
        self.push(Step::RenameEntry {
            from: paths::entry(&from),
            to: paths::entry(&to),
        });
        self.esp.entries.retain(|known| known.name != to);
        for file in self
            .esp
            .entries
            .iter_mut()
            .filter(|known| known.name == from)
        {
            file.name.clone_from(&to);
        }
    }

    pub(super) fn remove_entry(&mut self, name: &str) {
        self.push(Step::RemoveEntry {
            path: paths::entry(name),
        });
        self.esp.entries.retain(|known| known.name != name);
    }

    /// Sees to it that the ESP has the UKI of `generation`, making room where needed: the UKIs of
    /// `keep` stay.
    pub(super) fn provide_uki(
        &mut self,
        generation: &Generation,
        keep: &BTreeSet<RootDigest>,
    ) -> Result<(), Blocked> {
        let root = &generation.os.root;
        let there = self.esp.ukis.get(root).copied();
        let size = match (self.observed.uki_sizes.get(root).copied(), there) {
            (Some(size), Some(there)) if size == there => return Ok(()),
            (Some(size), _) => size,
            // Nothing to compare with and nothing to write from: what is there has to do.
            (None, Some(_)) => return Ok(()),
            (None, None) => {
                return Err(Blocked::NoUki {
                    generation: generation.id,
                });
            }
        };
        self.make_room(generation.id, size, keep)?;
        self.push(Step::WriteUki {
            path: paths::uki(root),
            root: root.clone(),
            size,
        });
        self.esp.ukis.insert(root.clone(), size);
        self.esp.free = self.esp.free.saturating_sub(size);
        Ok(())
    }

    /// Removes UKIs, and before them the entries that name them, until there is room. What no entry
    /// names goes first, then what was armed longest ago.
    fn make_room(
        &mut self,
        generation: GenerationId,
        size: u64,
        keep: &BTreeSet<RootDigest>,
    ) -> Result<(), Blocked> {
        let need = size.saturating_add(self.policy.esp_reserve);
        let entries = self.entries();
        let newest = |root: &RootDigest| {
            let of_root =
                |file: &EntryFile| Entry::read(&file.content).is_some_and(|e| e.root == *root);
            entries
                .iter()
                .filter(|(_, file)| of_root(file))
                .map(|(name, _)| name.sequence)
                .max()
        };
        let mut spare: Vec<_> = self
            .esp
            .ukis
            .keys()
            .filter(|root| !keep.contains(root))
            .cloned()
            .collect();
        spare.sort_by_key(newest);
        for root in spare {
            if self.esp.free >= need {
                break;
            }
            self.remove_image(&root);
        }
        if self.esp.free < need {
            return Err(Blocked::NotEnoughEspSpace {
                generation,
                need,
                have: self.esp.free,
            });
        }
        Ok(())
    }

    /// Removes an OS image from the ESP: every entry of it, then its UKI.
    pub(super) fn remove_image(&mut self, root: &RootDigest) {
        for (_, file) in self.entries() {
            if Entry::read(&file.content).is_some_and(|entry| entry.root == *root) {
                self.remove_entry(&file.name);
            }
        }
        if let Some(size) = self.esp.ukis.remove(root) {
            self.push(Step::RemoveUki {
                path: paths::uki(root),
                root: root.clone(),
            });
            self.esp.free = self.esp.free.saturating_add(size);
        }
    }

    /// Sees to it that the image of `generation` is the one that boots where no try is left.
    pub(super) fn provide_fallback_entry(
        &mut self,
        generation: &Generation,
        keep: &BTreeSet<RootDigest>,
    ) -> Result<(), Blocked> {
        let root = &generation.os.root;
        if self
            .good_entries()
            .last()
            .is_some_and(|entry| entry.root == *root)
        {
            return Ok(());
        }
        self.provide_uki(generation, keep)?;
        let sequence = self.take_sequence();
        self.record_state();
        self.write_entry(
            &Entry::new(&generation.os.version, sequence, root.clone()),
            None,
        );
        Ok(())
    }

    /// UKIs on the ESP as they then are.
    pub(super) fn ukis(&self) -> Vec<RootDigest> {
        self.esp.ukis.keys().cloned().collect()
    }

    /// The OS images that must stay bootable: what runs, what is current, what a trial is about,
    /// and the newest good other one, to go back to.
    pub(super) fn roots_to_keep(&self) -> BTreeSet<RootDigest> {
        let mut roots = self.roots_to_keep_but_previous();
        let previous = self
            .previous_good()
            .and_then(|id| self.observed.generations.get(&id));
        roots.extend(previous.map(|generation| generation.os.root.clone()));
        roots
    }

    /// The same without the one to go back to, which a switch may sacrifice for room.
    pub(super) fn roots_to_keep_but_previous(&self) -> BTreeSet<RootDigest> {
        let trial = self.state.trial.as_ref();
        let ids = [
            self.state.current,
            trial.map(|trial| trial.generation),
            trial.and_then(|trial| trial.fallback),
        ];
        let mut roots: BTreeSet<_> = ids
            .into_iter()
            .flatten()
            .filter_map(|id| self.observed.generations.get(&id))
            .map(|generation| generation.os.root.clone())
            .collect();
        roots.insert(self.observed.booted.root.clone());
        roots
    }

    /// The newest good generation with another OS image than the current one.
    pub(super) fn previous_good(&self) -> Option<GenerationId> {
        let current = self
            .state
            .current
            .and_then(|id| self.observed.generations.get(&id));
        let other = |id: &GenerationId| {
            let root = self
                .observed
                .generations
                .get(id)
                .map(|generation| &generation.os.root);
            root.is_some() && root != current.map(|generation| &generation.os.root)
        };
        self.state
            .generations
            .iter()
            .rev()
            .filter(|(_, status)| **status == crate::GenerationStatus::Good)
            .map(|(id, _)| *id)
            .find(other)
    }
}
