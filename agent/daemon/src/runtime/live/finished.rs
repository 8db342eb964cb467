//! What stays as it has ended: tasks that run once, and what its probe has stopped.

use super::super::instance::Instance;
use super::super::once::{AllDone, Done};
use super::super::systemd::UnitStatus;
use super::super::view::{self, Progress};
use super::super::wish::Wish;
use super::{Entry, Live};
use crate::clock;
use jiff::Timestamp;
use orlop_api::ContainerState;
use orlop_config::Name;
use std::sync::atomic::Ordering;

impl Live {
    /// Takes over what is done for good, and the generation that runs.
    pub(in super::super) fn take_done(&self, done: &AllDone, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        for (instance, entry) in &mut *self.lock() {
            let once = entry.container.config.lifecycle.once;
            entry.done = done.get(&instance.container).filter(|_| once).cloned();
        }
    }

    /// The generation that runs.
    pub(in super::super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// That `instance`, a task that runs once, has ended with status 0 by `status`, where that is news.
    pub(in super::super) fn newly_done(
        &self,
        instance: &Instance,
        status: &UnitStatus,
    ) -> Option<Done> {
        let entries = self.lock();
        let entry = entries.get(instance)?;
        let lifecycle = &entry.container.config.lifecycle;
        let news = lifecycle.once && entry.done.is_none();
        let state = view::state(lifecycle, &Progress::Handed, status);
        (news && state == ContainerState::Completed).then(|| Done {
            at: clock::now().0,
            generation: self.generation(),
        })
    }

    /// It is on record that the task is done.
    pub(in super::super) fn set_done(&self, name: &Name, done: Done) {
        self.change(name, |entry| entry.done = Some(done));
    }

    /// The task is to run once more.
    pub(in super::super) fn forget_done(&self, name: &Name) {
        self.change(name, |entry| entry.done = None);
    }

    /// It is on record that the container is to be stopped.
    pub(in super::super) fn set_wish(&self, name: &Name, wish: Wish) {
        self.change(name, |entry| entry.wish = Some(wish));
    }

    fn change(&self, name: &Name, change: impl FnOnce(&mut Entry)) {
        let instance = self.serving(name);
        if let Some(entry) = self.lock().get_mut(&instance) {
            change(entry);
        }
    }
}

/// What there is to say of a task that is done.
pub(super) fn words(done: &Done) -> String {
    let at = i64::try_from(done.at).ok().filter(|at| *at > 0);
    match at.and_then(|at| Timestamp::from_second(at).ok()) {
        Some(at) => format!(
            "done once and for all in generation {}, {at}",
            done.generation
        ),
        None => "done once and for all".to_owned(),
    }
}
