//! The containers as the agent knows them at this moment, kept fresh by the watch and the probes.

use super::change::{ContainerChange, Outcome, Outcomes};
use super::desired::{Desired, DesiredContainer, Network};
use super::error::StepError;
use super::inspect::Known;
use super::net::Addresses;
use super::systemd::{Exit, UnitStatus};
use super::view::{self, Progress};
use super::wait;
use super::wish::{Wish, Wishes};
use crate::clock;
use orlop_api::{ContainerState, ContainerView, HealthState, ProbeView};
use orlop_config::{Health, Name, OciRuntime};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

/// Changes that a slow reader may lag behind before it loses the oldest.
const CHANGES_KEPT: usize = 256;

/// So many results of a container's probe are kept.
const PROBES_KEPT: usize = 5;

/// One container.
struct Entry {
    container: DesiredContainer,
    addresses: Option<Addresses>,
    progress: Progress,
    status: UnitStatus,
    health: HealthState,
    probe_said: String,
    /// The probe's newest results.
    probes: VecDeque<ProbeView>,
    /// That an operator wants it stopped.
    wish: Option<Wish>,
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
    entries: Mutex<BTreeMap<Name, Entry>>,
    changes: broadcast::Sender<ContainerChange>,
}

impl Live {
    pub(super) fn new() -> Self {
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        Self {
            entries: Mutex::default(),
            changes,
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<ContainerChange> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Entry>> {
        // Entries are whole between any two statements, so a panic elsewhere spoils nothing.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is desired, at the beginning of a reconciliation.
    pub(super) fn desire(
        &self,
        desired: &Desired,
        leased: &BTreeMap<Name, Result<Addresses, StepError>>,
        mut wishes: Wishes,
    ) {
        let mut entries = self.lock();
        let wanted: BTreeMap<&Name, &DesiredContainer> = desired
            .containers
            .iter()
            .map(|container| (&container.name, container))
            .collect();
        entries.retain(|name, _| wanted.contains_key(name));
        for (name, container) in wanted {
            let addresses = leased
                .get(container.address_holder())
                .and_then(|leased| leased.as_ref().ok())
                .cloned();
            match entries.get_mut(name) {
                Some(entry) => {
                    if entry.container.config.health != container.config.health {
                        entry.health = first_health(container);
                    }
                    entry.container = container.clone();
                    entry.addresses = addresses;
                    entry.progress = Progress::Preparing;
                }
                None => {
                    entries.insert(name.clone(), Entry::new(container.clone(), addresses));
                }
            }
        }
        for (name, entry) in &mut *entries {
            entry.wish = wishes.remove(name);
        }
    }

    /// Takes over what came of it.
    pub(super) fn conclude(&self, outcomes: &Outcomes) {
        let mut entries = self.lock();
        for (name, entry) in &mut *entries {
            entry.progress = match outcomes.get(name) {
                Some(Outcome::Failed(error)) => Progress::Failed(error.chain()),
                Some(Outcome::Waiting) => Progress::Waiting(String::new()),
                _ => Progress::Handed,
            };
            entry.wake.notify_one();
            self.tell(name, entry);
        }
    }

    /// The OCI runtime of `name`; the usual one where there is no such container.
    pub(super) fn oci_runtime(&self, name: &Name) -> OciRuntime {
        let entries = self.lock();
        let runtime = entries
            .get(name)
            .map(|entry| entry.container.config.runtime);
        runtime.unwrap_or_default()
    }

    /// What `name` waits for, in words, as long as it waits and that has not come true.
    pub(super) fn unmet(&self, name: &Name) -> Option<String> {
        let mut entries = self.lock();
        let words = wait::unmet(entries.get(name)?.container.after(), |other| {
            let other = entries.get(other)?;
            Some((other.state(), other.health))
        });
        let entry = entries.get_mut(name)?;
        match &mut entry.progress {
            Progress::Waiting(said) => said.clone_from(words.as_ref()?),
            _ => return None,
        }
        words
    }

    /// Notes that `name` does not wait any more, and what came of its start.
    pub(super) fn set_started(&self, name: &Name, started: Result<(), String>) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(name) {
            entry.progress = match started {
                Ok(()) => Progress::Handed,
                Err(why) => Progress::Failed(why),
            };
            entry.wake.notify_one();
            self.tell(name, entry);
        }
    }

    /// How the process ended whose end `status` tells of, where that is known already.
    pub(super) fn known_end(&self, name: &Name, status: &UnitStatus) -> Option<Exit> {
        let entries = self.lock();
        let known = &entries.get(name)?.status;
        let same = known.pid.is_none()
            && (known.started, known.restarts) == (status.started, status.restarts);
        known.exit.filter(|_| same)
    }

    /// Takes over what systemd says.
    pub(super) fn set_status(&self, name: &Name, status: UnitStatus) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(name) else {
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
        self.tell(name, entry);
    }

    /// Takes over what a probe of the process `pid` found; too late if it is another by now.
    pub(super) fn set_health(&self, name: &Name, pid: u32, health: HealthState, said: &str) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(name) else {
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
            self.tell(name, entry);
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

    /// Process and address of `name`, if it runs.
    pub(super) fn running(&self, name: &Name) -> Option<(u32, Option<IpAddr>)> {
        let entries = self.lock();
        let entry = entries.get(name)?;
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
        let entry = entries.get(name)?;
        Some(Known {
            container: entry.container.clone(),
            view: entry.view(),
            status: entry.status.clone(),
            probes: entry.probes.iter().cloned().collect(),
        })
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.lock().keys().cloned().collect()
    }

    pub(super) fn views(&self) -> Vec<ContainerView> {
        self.lock().values().map(Entry::view).collect()
    }

    fn tell(&self, name: &Name, entry: &mut Entry) {
        let now = (entry.state(), entry.health);
        if entry.told != Some(now) {
            entry.told = Some(now);
            let (state, health) = now;
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
    fn new(container: DesiredContainer, addresses: Option<Addresses>) -> Self {
        Self {
            health: first_health(&container),
            container,
            addresses,
            progress: Progress::Preparing,
            status: UnitStatus::default(),
            probe_said: String::new(),
            probes: VecDeque::new(),
            wish: None,
            told: None,
            wake: Arc::default(),
            monitor: None,
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
        match self.wish {
            Some(_) => view::stopped(state),
            None => state,
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
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{desired_web, name};
    use super::*;

    fn running(pid: u32) -> UnitStatus {
        let (active, sub) = ("active".into(), "running".into());
        UnitStatus {
            active,
            sub,
            pid: Some(pid),
            ..UnitStatus::default()
        }
    }

    fn live() -> Live {
        let live = Live::new();
        live.desire(&desired_web(), &BTreeMap::new(), Wishes::new());
        live
    }

    #[tokio::test]
    async fn a_restart_begins_with_unknown_health_and_a_late_answer_does_not_count() {
        let live = live();
        live.set_monitors(|_, _, _| tokio::spawn(std::future::pending()));
        let web = name("web");
        live.set_status(&web, running(1));
        live.set_health(&web, 1, HealthState::Healthy, "");
        assert_eq!(live.views()[0].health, HealthState::Healthy);
        live.set_status(&web, running(2));
        assert_eq!(live.views()[0].health, HealthState::Starting);
        live.set_health(&web, 1, HealthState::Healthy, "");
        assert_eq!(live.views()[0].health, HealthState::Starting);
    }

    #[tokio::test]
    async fn a_probe_wakes_when_its_container_runs_and_not_only_when_its_process_is_there() {
        let live = live();
        let web = name("web");
        let mut woken = None;
        live.set_monitors(|_, _, _| tokio::spawn(std::future::pending()));
        for entry in live.lock().values() {
            woken = Some(Arc::clone(&entry.wake));
        }
        let woken = woken.unwrap();
        let starting = UnitStatus {
            active: "activating".into(),
            sub: "start-post".into(),
            ..running(2)
        };
        live.set_status(&web, starting);
        assert_eq!(live.running(&web), None);
        // What has woken it until now does not count.
        drop(tokio::time::timeout(std::time::Duration::ZERO, woken.notified()).await);
        live.set_status(&web, running(2));
        assert!(live.running(&web).is_some());
        // A permit is there, so this does not wait.
        let waited = tokio::time::timeout(std::time::Duration::from_secs(5), woken.notified());
        waited.await.unwrap();
    }

    #[test]
    fn one_that_was_stopped_says_so_and_by_whom() {
        let live = live();
        let wish = Wish {
            by: "uid 0".into(),
            at: 7,
            generation: 0,
        };
        let wishes = Wishes::from([(name("web"), wish)]);
        live.desire(&desired_web(), &BTreeMap::new(), wishes);
        live.conclude(&Outcomes::new());
        let view = live.views().remove(0);
        assert_eq!(view.state, ContainerState::Stopped);
        assert_eq!(view.detail, "stopped by uid 0");
        live.desire(&desired_web(), &BTreeMap::new(), Wishes::new());
        assert_eq!(live.views()[0].state, ContainerState::Preparing);
    }

    #[test]
    fn the_newest_results_of_a_probe_are_kept() {
        let live = live();
        let web = name("web");
        live.set_status(&web, running(1));
        live.set_health(&web, 1, HealthState::Healthy, "");
        for n in 0..PROBES_KEPT {
            live.set_health(&web, 1, HealthState::Healthy, &format!("status 50{n}"));
        }
        let probes = live.known(&web).unwrap().probes;
        assert_eq!(probes.len(), PROBES_KEPT);
        let first = (probes[0].pass, probes[0].detail.as_str());
        assert_eq!(first, (false, "status 500"));
    }

    #[test]
    fn one_with_a_probe_is_never_shown_as_one_without() {
        let live = live();
        assert_eq!(live.views()[0].health, HealthState::Starting);
        live.set_status(&name("web"), running(1));
        assert_eq!(live.views()[0].health, HealthState::Starting);
    }

    #[test]
    fn how_a_process_ended_is_known_until_another_has_started() {
        let live = live();
        let web = name("web");
        let killed = |started, exit| UnitStatus {
            started: Some(started),
            exit: Some(exit),
            ..UnitStatus::default()
        };
        let first = killed(1, Exit::Signal(9));
        assert_eq!(live.known_end(&web, &first), None);
        live.set_status(&web, killed(1, Exit::OutOfMemory));
        assert_eq!(live.known_end(&web, &first), Some(Exit::OutOfMemory));
        let second = killed(2, Exit::Signal(9));
        assert_eq!(live.known_end(&web, &second), None);
        live.set_status(&web, running(1));
        assert_eq!(live.known_end(&web, &first), None);
    }

    #[test]
    fn each_change_is_told_once() {
        let live = live();
        let mut changes = live.subscribe();
        live.set_status(&name("web"), running(1));
        live.set_status(&name("web"), running(1));
        assert_eq!(changes.try_recv().unwrap().state, ContainerState::Running);
        assert!(changes.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_probe_task_begins_anew_where_the_probe_or_the_runtime_is_another() {
        let live = live();
        let spawned = std::cell::Cell::new(0);
        let mut desired = desired_web();
        let mut probes_after = |change: &dyn Fn(&mut orlop_config::Container)| {
            change(&mut desired.containers[0].config);
            live.desire(&desired, &BTreeMap::new(), Wishes::new());
            live.set_monitors(|_, _, _| {
                spawned.set(spawned.get() + 1);
                tokio::spawn(std::future::pending())
            });
            spawned.get()
        };
        assert_eq!(probes_after(&|_| ()), 1);
        assert_eq!(probes_after(&|_| ()), 1);
        assert_eq!(probes_after(&|web| web.runtime = OciRuntime::Runc), 2);
        assert_eq!(probes_after(&|web| web.health = None), 2);
    }

    #[tokio::test]
    async fn a_probe_task_ends_with_its_container() {
        let live = live();
        let (dropped, gone) = tokio::sync::oneshot::channel::<()>();
        let dropped = Mutex::new(Some(dropped));
        live.set_monitors(|_, _, _| {
            let held = dropped.lock().unwrap().take();
            tokio::spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            })
        });
        live.desire(&Desired::default(), &BTreeMap::new(), Wishes::new());
        assert!(gone.await.is_err());
    }
}
