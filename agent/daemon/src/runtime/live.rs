//! The containers as the agent knows them at this moment, kept fresh by the watch and the probes.

mod ending;
mod finished;
mod whole;

pub(super) use whole::Coming;

use super::change::{ContainerChange, Outcome, Outcomes};
use super::desired::{DesiredContainer, Network};
use super::inspect::Known;
use super::instance::Instance;
use super::member::{Leased, Member, Role};
use super::net::Addresses;
use super::once::Done;
use super::systemd::{Exit, UnitStatus};
use super::view::{self, Progress};
use super::wait;
use super::wish::{Wish, Wishes};
use crate::clock;
use orlop_api::{ContainerState, ContainerView, HealthState, ProbeView};
use orlop_config::{Health, Name, OciRuntime};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;
use whole::{Whole, serving, view_of, whole};

/// Changes that a slow reader may lag behind before it loses the oldest.
const CHANGES_KEPT: usize = 256;

/// So many results of a container's probe are kept.
const PROBES_KEPT: usize = 5;

/// One instance of a container.
struct Entry {
    container: DesiredContainer,
    role: Role,
    /// Why the instance that was to take its place did not.
    not_replaced: Option<String>,
    addresses: Option<Addresses>,
    progress: Progress,
    status: UnitStatus,
    health: HealthState,
    probe_said: String,
    /// The probe's newest results.
    probes: VecDeque<ProbeView>,
    /// That an operator wants it stopped.
    wish: Option<Wish>,
    /// That it has run for good, as a task that runs once.
    done: Option<Done>,
    /// The state and health that were told last.
    told: Option<(ContainerState, HealthState)>,
    /// Wakes the probe when the container has started or ended.
    wake: Arc<Notify>,
    monitor: Option<Monitor>,
}

/// A container's probe task; it ends with this.
struct Monitor {
    health: Health,
    /// What a command in the container is run by.
    runtime: OciRuntime,
    task: JoinHandle<()>,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All of them.
pub(super) struct Live {
    entries: Mutex<Entries>,
    changes: broadcast::Sender<ContainerChange>,
    /// Told of every look at an instance.
    looks: watch::Sender<()>,
    /// The generation that runs.
    generation: AtomicU64,
}

type Entries = BTreeMap<Instance, Entry>;

impl Live {
    pub(super) fn new() -> Self {
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let (looks, _) = watch::channel(());
        Self {
            entries: Mutex::default(),
            changes,
            looks,
            generation: AtomicU64::default(),
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<ContainerChange> {
        self.changes.subscribe()
    }

    /// Changes with every look at an instance.
    pub(super) fn looks(&self) -> watch::Receiver<()> {
        self.looks.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Entries are whole between any two statements, so a panic elsewhere spoils nothing.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is desired, at the beginning of a reconciliation.
    pub(super) fn desire(&self, members: &[Member], leased: &Leased, mut wishes: Wishes) {
        let mut entries = self.lock();
        let wanted: BTreeMap<Instance, &Member> = members
            .iter()
            .map(|member| (member.container.instance(), member))
            .collect();
        entries.retain(|instance, _| wanted.contains_key(instance));
        for (instance, member) in wanted {
            let container = &member.container;
            let addresses = leased
                .get(&container.address_holder())
                .and_then(|leased| leased.as_ref().ok())
                .cloned();
            match entries.get_mut(&instance) {
                Some(entry) => {
                    if entry.container.config.health != container.config.health {
                        entry.health = first_health(container);
                    }
                    entry.container = container.clone();
                    entry.addresses = addresses;
                    entry.progress = Progress::Preparing;
                    entry.role = member.role;
                    entry.not_replaced = None;
                }
                None => {
                    entries.insert(instance, Entry::new(member, addresses));
                }
            }
        }
        for (instance, entry) in &mut *entries {
            if entry.role == Role::Serves {
                entry.wish = wishes.remove(&instance.container);
            }
        }
    }

    /// Takes over what came of it.
    pub(super) fn conclude(&self, outcomes: &Outcomes) {
        let mut entries = self.lock();
        let both = |instance: &Instance| entries.contains_key(&instance.sibling());
        let instances: Vec<(Instance, bool)> = entries
            .keys()
            .map(|instance| (instance.clone(), both(instance)))
            .collect();
        for (instance, has_sibling) in instances {
            let Some(entry) = entries.get_mut(&instance) else {
                continue;
            };
            let outcome = outcomes.get(&instance.container);
            entry.progress = Progress::Handed;
            match (outcome, entry.role) {
                (Some(Outcome::Failed(_)), Role::Comes) => drop(entries.remove(&instance)),
                (Some(Outcome::Failed(error)), Role::Serves) if has_sibling => {
                    entry.not_replaced = Some(error.chain());
                }
                (Some(Outcome::Failed(error)), Role::Serves) => {
                    entry.progress = Progress::Failed(error.chain());
                }
                (Some(Outcome::Waiting), role) if role == Role::Comes || !has_sibling => {
                    entry.progress = Progress::Waiting(String::new());
                }
                _ => {}
            }
            if let Some(entry) = entries.get(&instance) {
                entry.wake.notify_one();
            }
        }
        self.tell_all(&mut entries);
    }

    /// The instance of `name` that serves; the first one where there is no such container.
    pub(super) fn serving(&self, name: &Name) -> Instance {
        let entries = self.lock();
        let entry = serving(&entries, name);
        entry.map_or_else(|| Instance::first(name), |entry| entry.container.instance())
    }

    /// The OCI runtime of `name`; the usual one where there is no such container.
    pub(super) fn oci_runtime(&self, name: &Name) -> OciRuntime {
        let entries = self.lock();
        let runtime = serving(&entries, name).map(|entry| entry.container.config.runtime);
        runtime.unwrap_or_default()
    }

    /// What `instance` waits for, in words, as long as it waits and that has not come true.
    pub(super) fn unmet(&self, instance: &Instance) -> Option<String> {
        let mut entries = self.lock();
        let words = wait::unmet(entries.get(instance)?.container.after(), |other| {
            let other = whole(&entries, other)?;
            Some((other.state, other.health))
        });
        let entry = entries.get_mut(instance)?;
        match &mut entry.progress {
            Progress::Waiting(said) => said.clone_from(words.as_ref()?),
            _ => return None,
        }
        words
    }

    /// Notes that `instance` does not wait any more, and what came of its start.
    pub(super) fn set_started(&self, instance: &Instance, started: Result<(), String>) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(instance) {
            entry.progress = match started {
                Ok(()) => Progress::Handed,
                Err(why) => Progress::Failed(why),
            };
            entry.wake.notify_one();
            self.tell(&mut entries, &instance.container);
        }
    }

    /// How the process ended whose end `status` tells of, where that is known already.
    pub(super) fn known_end(&self, instance: &Instance, status: &UnitStatus) -> Option<Exit> {
        let entries = self.lock();
        let known = &entries.get(instance)?.status;
        let same = known.pid.is_none()
            && (known.started, known.restarts) == (status.started, status.restarts);
        known.exit.filter(|_| same)
    }

    /// Takes over what systemd says.
    pub(super) fn set_status(&self, instance: &Instance, status: UnitStatus) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(instance) else {
            return;
        };
        if status.pid != entry.status.pid {
            entry.probe_said.clear();
            if entry.health != HealthState::None {
                entry.health = HealthState::Starting;
            }
        }
        let before = entry.running();
        entry.status = status;
        // A process is there a moment before its unit has started, and only then it is probed.
        if entry.running() != before {
            entry.wake.notify_one();
        }
        self.tell(&mut entries, &instance.container);
    }

    /// Takes over what a probe of the process `pid` found; too late if it is another by now.
    pub(super) fn set_health(
        &self,
        instance: &Instance,
        pid: u32,
        health: HealthState,
        said: &str,
    ) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(instance) else {
            return;
        };
        if entry.status.pid == Some(pid) {
            entry.health = health;
            said.clone_into(&mut entry.probe_said);
            if entry.probes.len() == PROBES_KEPT {
                entry.probes.pop_front();
            }
            entry.probes.push_back(ProbeView {
                at: clock::now().0,
                pass: said.is_empty(),
                detail: said.to_owned(),
            });
            self.tell(&mut entries, &instance.container);
        }
    }

    /// Makes sure that each container with a probe has a task for it, made by `spawn`, and that no
    /// other has.
    pub(super) fn set_monitors(
        &self,
        spawn: impl Fn(&DesiredContainer, &Health, Arc<Notify>) -> JoinHandle<()>,
    ) {
        for entry in self.lock().values_mut() {
            let runtime = entry.container.config.runtime;
            let wanted = entry.container.config.health.as_ref();
            let there = entry.monitor.as_ref();
            if there.map(|monitor| (&monitor.health, monitor.runtime))
                == wanted.map(|health| (health, runtime))
            {
                continue;
            }
            entry.monitor = wanted.map(|health| {
                let task = spawn(&entry.container, health, Arc::clone(&entry.wake));
                Monitor {
                    health: health.clone(),
                    runtime,
                    task,
                }
            });
            entry.health = first_health(&entry.container);
            entry.probe_said.clear();
        }
    }

    /// Process and address of `instance`, if it runs.
    pub(super) fn running(&self, instance: &Instance) -> Option<(u32, Option<IpAddr>)> {
        let entries = self.lock();
        let entry = entries.get(instance)?;
        let pid = entry.running()?;
        let address = match entry.container.network() {
            Network::Host => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Network::Joined | Network::None | Network::Of(_) => {
                entry.addresses.as_ref().and_then(Addresses::first)
            }
        };
        Some((pid, address))
    }

    /// What is known of `name`.
    pub(super) fn known(&self, name: &Name) -> Option<Known> {
        let entries = self.lock();
        let entry = serving(&entries, name)?;
        Some(Known {
            container: entry.container.clone(),
            view: view_of(&entries, entry),
            status: entry.status.clone(),
            probes: entry.probes.iter().cloned().collect(),
        })
    }

    pub(super) fn instances(&self) -> Vec<Instance> {
        self.lock().keys().cloned().collect()
    }

    pub(super) fn names(&self) -> Vec<Name> {
        let entries = self.lock();
        let serving = entries.values().filter(|entry| entry.role == Role::Serves);
        serving.map(|entry| entry.container.name.clone()).collect()
    }

    pub(super) fn views(&self) -> Vec<ContainerView> {
        let entries = self.lock();
        let serving = entries.values().filter(|entry| entry.role == Role::Serves);
        serving.map(|entry| view_of(&entries, entry)).collect()
    }

    fn tell_all(&self, entries: &mut Entries) {
        let serving = entries.values().filter(|entry| entry.role == Role::Serves);
        let names: Vec<Name> = serving.map(|entry| entry.container.name.clone()).collect();
        for name in names {
            self.tell(entries, &name);
        }
    }

    fn tell(&self, entries: &mut Entries, name: &Name) {
        self.looks.send_replace(());
        let Some(Whole { state, health, .. }) = whole(entries, name) else {
            return;
        };
        let Some(instance) = serving(entries, name).map(|entry| entry.container.instance()) else {
            return;
        };
        if let Some(entry) = entries.get_mut(&instance)
            && entry.told != Some((state, health))
        {
            entry.told = Some((state, health));
            // Nobody listens: nobody wants to know.
            let _ = self.changes.send(ContainerChange {
                name: name.clone(),
                state,
                health,
            });
        }
    }
}

/// Health before the first probe. One that has a probe is never shown as one that has none, which
/// counts as well.
fn first_health(container: &DesiredContainer) -> HealthState {
    match container.config.health {
        Some(_) => HealthState::Starting,
        None => HealthState::None,
    }
}

impl Entry {
    fn new(member: &Member, addresses: Option<Addresses>) -> Self {
        Self {
            health: first_health(&member.container),
            container: member.container.clone(),
            role: member.role,
            not_replaced: None,
            addresses,
            progress: Progress::Preparing,
            status: UnitStatus::default(),
            probe_said: String::new(),
            probes: VecDeque::new(),
            wish: None,
            done: None,
            told: None,
            wake: Arc::default(),
            monitor: None,
        }
    }

    /// Its state, and what there is to say of it.
    fn words(&self) -> String {
        let (state, detail) = (self.state(), self.view().detail);
        match detail.is_empty() {
            true => state.to_string(),
            false => format!("{state}: {detail}"),
        }
    }

    /// Its process, while it runs.
    fn running(&self) -> Option<u32> {
        let runs = self.state() == ContainerState::Running;
        self.status.pid.filter(|_| runs)
    }

    fn state(&self) -> ContainerState {
        let lifecycle = &self.container.config.lifecycle;
        let state = view::state(lifecycle, &self.progress, &self.status);
        match (&self.wish, &self.done) {
            (Some(_), _) => view::stopped(state),
            (None, Some(_)) => view::done(state),
            (None, None) => state,
        }
    }

    fn view(&self) -> ContainerView {
        let mut view = view::view(
            &self.container,
            self.addresses.as_ref(),
            &self.progress,
            &self.status,
            self.health,
            &self.probe_said,
        );
        view.state = self.state();
        if let Some(wish) = &self.wish {
            view.detail = format!("stopped by {}", wish.by);
        } else if let Some(done) = &self.done {
            view.detail = finished::words(done);
        }
        view
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
