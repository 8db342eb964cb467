//! A container of whose instances one serves, and another one may come up to take its place.

use super::super::instance::{Instance, Slot};
use super::super::member::Role;
use super::{Entries, Entry, Live};
use orlop_api::{ContainerState, ContainerView, HealthState};
use orlop_config::Name;

/// The instance of a container that serves.
pub(super) fn serving<'a>(entries: &'a Entries, name: &Name) -> Option<&'a Entry> {
    let both = [Slot::First, Slot::Second].map(|slot| Instance::new(name, slot));
    let mut there = both.iter().filter_map(|instance| entries.get(instance));
    there.find(|entry| entry.role == Role::Serves)
}

/// How a container stands as a whole.
pub(super) fn whole(entries: &Entries, name: &Name) -> Option<Whole> {
    let serving = serving(entries, name)?;
    let (state, health) = (serving.state(), serving.health);
    let sibling = entries.get(&serving.container.instance().sibling());
    Some(match (sibling, &serving.not_replaced) {
        // What serves is not what shall run: whoever waits for the container waits for the next one.
        (Some(next), _) => Whole {
            state,
            health: HealthState::Starting,
            detail: Some(format!("the next instance comes up: {}", next.words())),
        },
        (None, Some(why)) => Whole {
            state: ContainerState::Failed,
            health,
            detail: Some(format!("{why}; the instance before it serves on")),
        },
        (None, None) => Whole {
            state,
            health,
            detail: None,
        },
    })
}

/// How a container stands.
pub(super) struct Whole {
    pub(super) state: ContainerState,
    pub(super) health: HealthState,
    /// Where it is not its instance's own.
    detail: Option<String>,
}

/// How an instance stands that is to take another's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Coming {
    pub(in super::super) state: ContainerState,
    pub(in super::super) health: HealthState,
    pub(in super::super) restarts: u32,
    /// In words.
    pub(in super::super) detail: String,
}

impl Live {
    /// How `instance` stands, if it is to take another's place.
    pub(in super::super) fn coming(&self, instance: &Instance) -> Option<Coming> {
        let entries = self.lock();
        let entry = entries.get(instance)?;
        (entry.role == Role::Comes).then(|| Coming {
            state: entry.state(),
            health: entry.health,
            restarts: entry.status.restarts,
            detail: entry.words(),
        })
    }

    /// `instance` has taken the other's place.
    pub(in super::super) fn take_over(&self, instance: &Instance) {
        let mut entries = self.lock();
        let old = entries.remove(&instance.sibling());
        if let Some(entry) = entries.get_mut(instance) {
            entry.role = Role::Serves;
            entry.told = old.and_then(|old| old.told);
        }
        self.tell(&mut entries, &instance.container);
    }

    /// `instance` is not to take the other's place after all.
    pub(in super::super) fn give_up(&self, instance: &Instance, why: String) {
        let mut entries = self.lock();
        entries.remove(instance);
        if let Some(entry) = entries.get_mut(&instance.sibling()) {
            entry.not_replaced = Some(why);
        }
        self.tell(&mut entries, &instance.container);
    }
}

/// The container of `entry`, which serves.
pub(super) fn view_of(entries: &Entries, entry: &Entry) -> ContainerView {
    let mut view = entry.view();
    if let Some(whole) = whole(entries, &entry.container.name) {
        (view.state, view.health) = (whole.state, whole.health);
        view.detail = whole.detail.unwrap_or(view.detail);
    }
    view
}
