//! The runtime: what the rest of the agent calls.

use super::change::{ContainerChange, Outcome, Outcomes};
use super::desired::Desired;
use super::error::{RuntimeError, Step, StepError};
use super::execute::{Executor, lease};
use super::instance::Instance;
use super::live::Live;
use super::member::members;
use super::net::{Guard, watch};
use super::once::{self, AllDone};
use super::places::{Places, timer_name, unit_name};
use super::plan::{Action, Observed, Plan, UnitState, plan};
use super::root_mount::RootMounter;
use super::succession::Succession;
use super::systemd::Systemd;
use super::{exec, logs, monitor, observe, view, wish};
use futures_util::stream::BoxStream;
use orlop_api::{ContainerView, LogLine};
use orlop_config::Name;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};
use tokio::task::{JoinHandle, JoinSet};

/// A container's log lines, oldest first. Dropping it ends the reading.
pub type LogStream = BoxStream<'static, Result<LogLine, RuntimeError>>;

/// The containers of this node. Cheap to clone; all clones are the same runtime.
#[derive(Clone)]
pub struct Runtime {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) executor: Executor,
    pub(super) live: Arc<Live>,
    /// Held by the reconciliation under way.
    pub(super) turn: Arc<Mutex<()>>,
    /// Held by who brings a volume in, or removes one.
    pub(super) volumes: Mutex<()>,
    /// What was desired last.
    desired: StdMutex<Desired>,
    watch: OnceLock<JoinHandle<()>>,
    net_watch: OnceLock<JoinHandle<()>>,
    /// The tasks of containers that wait for others; they end with this.
    waiting: StdMutex<JoinSet<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for watch in [&self.watch, &self.net_watch] {
            if let Some(watch) = watch.get() {
                watch.abort();
            }
        }
    }
}

impl Runtime {
    /// A runtime over `places`, which takes root file systems from `mounter`. Touches nothing.
    pub fn new(places: Places, mounter: Arc<dyn RootMounter>) -> Self {
        let systemd = Systemd::default();
        let guard = Arc::new(Guard::new(places.clone(), systemd.clone()));
        let executor = Executor {
            places,
            mounter,
            systemd,
            guard,
        };
        let inner = Inner {
            executor,
            live: Arc::new(Live::new()),
            turn: Arc::default(),
            volumes: Mutex::default(),
            desired: StdMutex::default(),
            watch: OnceLock::new(),
            net_watch: OnceLock::new(),
            waiting: StdMutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What [`Runtime::reconcile`] would do now. Changes nothing.
    ///
    /// # Errors
    /// In step `Observe`, where systemd or the files cannot be asked.
    pub async fn plan(&self, desired: &Desired) -> Result<Plan, RuntimeError> {
        self.plan_with(desired, &self.done().await?).await
    }

    async fn plan_with(&self, desired: &Desired, done: &AllDone) -> Result<Plan, RuntimeError> {
        let observed = self.observe(desired.generation).await?;
        Ok(plan(desired, &observed, done))
    }

    async fn done(&self) -> Result<AllDone, RuntimeError> {
        let places = self.inner.executor.places.clone();
        let done = blocking(move || once::load(&places)).await;
        done.map_err(RuntimeError::all(Step::Observe))
    }

    async fn observe(&self, generation: u64) -> Result<Observed, RuntimeError> {
        let places = self.inner.executor.places.clone();
        let mut observed = blocking(move || observe::observe_files(&places, generation))
            .await
            .map_err(RuntimeError::all(Step::Observe))?;
        for (instance, found) in &mut observed {
            let name = &instance.container;
            found.unit = self.state_of(unit_name(instance), name).await?;
            if found.scheduled && found.unit != UnitState::Active {
                found.unit = self.state_of(timer_name(name), name).await?;
            }
        }
        Ok(observed)
    }

    async fn state_of(&self, unit: String, of: &Name) -> Result<UnitState, RuntimeError> {
        let status = self.inner.executor.systemd.status(&unit).await;
        let status = status.map_err(RuntimeError::of(of, Step::Observe))?;
        Ok(status.state())
    }

    /// Brings the containers to what is desired: removes, replaces and starts, and leaves alone
    /// what is as it shall be. Returns when every unit has started, not when it is healthy; those that
    /// wait for others (`after`) are started later, when these have come to that.
    ///
    /// Idempotent: cut short at any point, also by the agent's death, the next call goes on. One
    /// call runs at a time, later ones wait. One container that fails does not stop the others;
    /// each one's outcome is in the answer.
    ///
    /// # Errors
    /// Where nothing could be done to any container: in step `Observe` or `Lease`.
    pub async fn reconcile(&self, desired: &Desired) -> Result<Outcomes, RuntimeError> {
        let _turn = self.inner.turn.lock().await;
        let last = self.inner.desired.lock();
        last.unwrap_or_else(PoisonError::into_inner)
            .clone_from(desired);
        self.bring(desired).await
    }

    /// What the last call of [`Self::reconcile`] was given.
    pub(super) fn last_desired(&self) -> Desired {
        let last = self.inner.desired.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// [`Self::reconcile`] for those who hold the turn.
    pub(super) async fn bring(&self, desired: &Desired) -> Result<Outcomes, RuntimeError> {
        // Whoever waits is planned anew.
        self.waiting().abort_all();
        let (places, generation) = (self.inner.executor.places.clone(), desired.generation);
        let wishes = blocking(move || wish::load_and_tidy(&places, generation))
            .await
            .map_err(RuntimeError::all(Step::Observe))?;
        let done = self.done().await?;
        let plan = self.plan_with(desired, &done).await?;
        let mut desired = desired.clone();
        desired.take_slots(&plan.slots);
        let members = members(&plan, &desired);
        let (places, owned, nets) = (
            self.inner.executor.places.clone(),
            members
                .iter()
                .map(|one| one.container.clone())
                .collect::<Vec<_>>(),
            desired.all_nets(),
        );
        let leased = blocking(move || lease(&places, &owned, &nets))
            .await
            .map_err(RuntimeError::all(Step::Lease))?;
        let live = &self.inner.live;
        live.desire(&members, &leased, wishes);
        live.take_done(&done, desired.generation);
        let executor = &self.inner.executor;
        let mut outcomes = executor.execute(&plan, &desired, &members, leased).await;
        self.check(&plan, &desired, &mut outcomes).await;
        for member in &members {
            let instance = member.container.instance();
            monitor::refresh(executor, &self.inner.live, &instance).await;
        }
        self.inner.live.conclude(&outcomes);
        self.start_later(&desired, &outcomes);
        self.keep_fresh();
        Ok(outcomes)
    }

    /// Looks again: what was to go must be gone.
    async fn check(&self, plan: &Plan, desired: &Desired, outcomes: &mut Outcomes) {
        if plan.is_empty() {
            return;
        }
        match self.plan(desired).await {
            Ok(rest) => {
                for (name, action) in rest.actions {
                    if action == Action::Remove
                        && matches!(outcomes.get(&name), Some(Outcome::Removed))
                    {
                        log::warn!(container = name.as_str(); "something of {name} is still there");
                    }
                }
            }
            Err(error) => log::warn!("cannot look at the result: {}", error.chain()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, JoinSet<()>> {
        // A set is whole between any two statements, so a panic elsewhere spoils nothing.
        let waiting = &self.inner.waiting;
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets each container that waits for others have a task that starts it when they have come to
    /// what it waits for, and each that comes up beside another one that sees it through.
    fn start_later(&self, desired: &Desired, outcomes: &Outcomes) {
        let mut waiting = self.waiting();
        // The tasks of earlier times that have ended.
        while waiting.try_join_next().is_some() {}
        for container in &desired.containers {
            let outcome = outcomes.get(&container.name);
            if !matches!(outcome, Some(Outcome::Waiting | Outcome::Succeeding)) {
                continue;
            }
            let succession = Succession {
                executor: self.inner.executor.clone(),
                live: Arc::clone(&self.inner.live),
                turn: Arc::clone(&self.inner.turn),
                container: container.clone(),
            };
            let waits = matches!(outcome, Some(Outcome::Waiting));
            waiting.spawn(async move {
                let instance = succession.container.instance();
                if waits {
                    start_when_met(&succession.executor, &succession.live, &instance).await;
                }
                if succession.live.coming(&instance).is_some() {
                    succession.see_through().await;
                }
            });
        }
    }

    /// Starts the watch, once, and the probes of new containers.
    fn keep_fresh(&self) {
        let Inner {
            executor,
            live,
            watch: unit_watch,
            net_watch,
            turn,
            ..
        } = &*self.inner;
        unit_watch.get_or_init(|| tokio::spawn(monitor::watch(executor.clone(), Arc::clone(live))));
        net_watch
            .get_or_init(|| tokio::spawn(watch(Arc::downgrade(&executor.guard), Arc::clone(turn))));
        live.set_monitors(|container, health, wake| {
            let prober = monitor::Prober {
                live: Arc::clone(live),
                executor: executor.clone(),
            };
            let (instance, runtime) = (container.instance(), container.config.runtime);
            monitor::spawn_probe(prober, instance, runtime, health.clone(), wake)
        });
    }

    /// Puts the host's firewall in place, and keeps it so. Does nothing for a node that is a directory.
    ///
    /// # Errors
    /// Where nft does not take the rules.
    pub async fn set_firewall(&self, rules: String) -> Result<(), StepError> {
        self.inner.executor.guard.set_firewall(rules).await
    }

    /// Every desired container, in the order of their names.
    pub async fn views(&self) -> Vec<ContainerView> {
        self.inner.live.views()
    }

    /// The same with those that are not enabled.
    pub fn all_views(&self) -> Vec<ContainerView> {
        let disabled = self.last_desired().disabled;
        let mut views = self.inner.live.views();
        views.extend(
            disabled
                .iter()
                .map(|(name, image)| view::disabled(name, image)),
        );
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// Changes of state and health, from now on. A reader that is too slow loses the oldest.
    pub fn changes(&self) -> broadcast::Receiver<ContainerChange> {
        self.inner.live.subscribe()
    }

    /// Runs a command in a container, which must run, and says what is wrong where it does not end
    /// with status 0 within `limit`. What runs longer is killed, also when the future is dropped.
    ///
    /// # Errors
    /// In words for people: the status and what the command said, or that it took too long.
    pub async fn exec(&self, name: &Name, words: &[String], limit: Duration) -> Result<(), String> {
        let runtime = self.inner.live.oci_runtime(name);
        let instance = self.inner.live.serving(name);
        let places = &self.inner.executor.places;
        exec::exec(words, &instance, runtime, places, limit).await
    }

    /// Whether a unit of systemd is active, and its state in words for people.
    ///
    /// # Errors
    /// In words for people: systemd does not answer.
    pub async fn unit(&self, unit: &str) -> Result<(bool, String), String> {
        let systemd = &self.inner.executor.systemd;
        let standing = systemd.standing(unit).await;
        standing.map_err(|error| error.to_string())
    }

    /// The newest `lines` lines of a container's log and, with `follow`, those that come.
    ///
    /// # Errors
    /// `Unknown` where no such container is desired; `ReadLog` where the journal cannot be read.
    pub async fn logs(
        &self,
        name: &str,
        lines: u32,
        follow: bool,
    ) -> Result<LogStream, RuntimeError> {
        let name = self.known(name)?;
        let reach = if follow {
            logs::Reach::Follow
        } else {
            logs::Reach::Past
        };
        logs::read(&name, lines, reach)
    }

    /// The newest `lines` lines of a container's log since the machine started, oldest first, for
    /// verdicts. Works for containers that are gone, too.
    ///
    /// # Errors
    /// `ReadLog` where the journal cannot be read in time.
    pub async fn last_lines(&self, name: &Name, lines: u32) -> Result<Vec<String>, RuntimeError> {
        logs::tail(name, lines).await
    }
}

/// Starts `instance`, which is set up, as soon as nothing that it waits for is missing.
async fn start_when_met(executor: &Executor, live: &Live, instance: &Instance) {
    let name = &instance.container;
    let mut changes = live.subscribe();
    let mut said = String::new();
    while let Some(words) = live.unmet(instance) {
        if words != said {
            log::info!(container = name.as_str(); "{name} {words}");
            said = words;
        }
        // One that lags has missed changes, and looks again at once; without a sender there is
        // nobody left to start.
        if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
            return;
        }
    }
    let started = executor.start(instance).await;
    if let Err(error) = &started {
        log::error!(container = name.as_str(); "{}", error.chain());
    }
    monitor::refresh(executor, live, instance).await;
    live.set_started(instance, started.map_err(|error| error.chain()));
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(StepError::Worker)?
}
