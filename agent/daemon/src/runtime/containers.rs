//! The runtime: what the rest of the agent calls.

use super::change::{ContainerChange, Outcome, Outcomes};
use super::desired::Desired;
use super::error::{RuntimeError, Step, StepError};
use super::execute::{Executor, lease};
use super::live::Live;
use super::net::{Guard, watch};
use super::places::{Places, unit_name};
use super::plan::{Action, Observed, Plan, plan};
use super::root_mount::RootMounter;
use super::systemd::Systemd;
use super::{exec, logs, monitor, observe};
use futures_util::stream::BoxStream;
use orlop_api::{ContainerView, LogLine};
use orlop_config::Name;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;

/// A container's log lines, oldest first. Dropping it ends the reading.
pub type LogStream = BoxStream<'static, Result<LogLine, RuntimeError>>;

/// The containers of this node. Cheap to clone; all clones are the same runtime.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    executor: Executor,
    live: Arc<Live>,
    /// Held by the reconciliation under way.
    turn: Arc<Mutex<()>>,
    watch: OnceLock<JoinHandle<()>>,
    net_watch: OnceLock<JoinHandle<()>>,
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
            watch: OnceLock::new(),
            net_watch: OnceLock::new(),
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
        Ok(plan(desired, &self.observe().await?))
    }

    async fn observe(&self) -> Result<Observed, RuntimeError> {
        let places = self.inner.executor.places.clone();
        let mut observed = blocking(move || observe::observe_files(&places))
            .await
            .map_err(RuntimeError::all(Step::Observe))?;
        for (name, found) in &mut observed {
            let status = self.inner.executor.systemd.status(&unit_name(name)).await;
            found.unit = status
                .map_err(RuntimeError::of(name, Step::Observe))?
                .state();
        }
        Ok(observed)
    }

    /// Brings the containers to what is desired: removes, replaces and starts, and leaves alone
    /// what is as it shall be. Returns when every unit has started, not when it is healthy.
    ///
    /// Idempotent: cut short at any point, also by the agent's death, the next call goes on. One
    /// call runs at a time, later ones wait. One container that fails does not stop the others;
    /// each one's outcome is in the answer.
    ///
    /// # Errors
    /// Where nothing could be done to any container: in step `Observe` or `Lease`.
    pub async fn reconcile(&self, desired: &Desired) -> Result<Outcomes, RuntimeError> {
        let _turn = self.inner.turn.lock().await;
        let plan = self.plan(desired).await?;
        let (places, owned) = (self.inner.executor.places.clone(), desired.clone());
        let leased = blocking(move || lease(&places, &owned))
            .await
            .map_err(RuntimeError::all(Step::Lease))?;
        self.inner.live.desire(desired, &leased);
        let mut outcomes = self.inner.executor.execute(&plan, desired, leased).await;
        self.check(&plan, desired, &mut outcomes).await;
        for container in &desired.containers {
            monitor::refresh(
                &self.inner.executor.systemd,
                &self.inner.live,
                &container.name,
            )
            .await;
        }
        self.inner.live.conclude(&outcomes);
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

    /// Starts the watch, once, and the probes of new containers.
    fn keep_fresh(&self) {
        let Inner {
            executor,
            live,
            watch: unit_watch,
            net_watch,
            turn,
        } = &*self.inner;
        unit_watch.get_or_init(|| {
            tokio::spawn(monitor::watch(executor.systemd.clone(), Arc::clone(live)))
        });
        net_watch
            .get_or_init(|| tokio::spawn(watch(Arc::downgrade(&executor.guard), Arc::clone(turn))));
        live.set_monitors(|name, health, wake| {
            let places = executor.places.clone();
            monitor::spawn_probe(Arc::clone(live), places, name.clone(), health.clone(), wake)
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
        exec::exec(words, name, &self.inner.executor.places, limit).await
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
        let known = Name::new(name).filter(|name| self.inner.live.names().contains(name));
        let name = known.ok_or_else(|| RuntimeError::Unknown {
            container: name.to_owned(),
        })?;
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

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(StepError::Worker)?
}
