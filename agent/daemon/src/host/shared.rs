//! What the driver, the operations and the tasks beside them have in common.

use super::events::EventBus;
use super::images::Needs;
use super::jobs::JobBoard;
use crate::booted::Boot;
use crate::chain::chain;
use crate::gate::{self, Reached};
use crate::live::Live;
use crate::ops::{Caller, Pinning, Started};
use crate::paths::Paths;
use crate::problems::Problems;
use crate::records::Records;
use crate::{config, esp};
use orlop_api::{
    EventKind, Fault, FaultKind, Freed, GateView, HeldView, JobId, Mode, Operation, Phase,
    StageRequest,
};
use orlop_config::NodeConfig;
use orlop_core::boot::BootSequence;
use orlop_core::{Generation, GenerationId, Then};
use orlop_image::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;

/// Something that the driver is asked to do, and where the answer goes.
#[derive(Debug)]
pub(super) enum Ask {
    /// Fetch and record a generation, and maybe switch to it.
    Stage {
        request: StageRequest,
        then: Then,
        operation: Operation,
        caller: Caller,
        reply: oneshot::Sender<Result<JobId, Fault>>,
    },
    /// Switch to the staged generation.
    Apply {
        mode: Option<Mode>,
        confirm: Option<Duration>,
        dry_run: bool,
        caller: Caller,
        reply: oneshot::Sender<Result<Started, Fault>>,
    },
    /// Go back.
    RollBack {
        to: Option<GenerationId>,
        mode: Option<Mode>,
        dry_run: bool,
        caller: Caller,
        reply: oneshot::Sender<Result<Started, Fault>>,
    },
    /// Note that the trial under way may stay.
    Confirm {
        caller: Caller,
        reply: oneshot::Sender<Result<(), Fault>>,
    },
    /// Let an image go that is on hold.
    Release {
        digest: String,
        caller: Caller,
        reply: oneshot::Sender<Result<HeldView, Fault>>,
    },
    /// Keep a generation on record, or no longer than others.
    Pin {
        generation: GenerationId,
        pinning: Pinning,
        caller: Caller,
        reply: oneshot::Sender<Result<(), Fault>>,
    },
    /// Remove an image from the store, or every one that nothing needs.
    Free {
        image: Option<String>,
        reply: oneshot::Sender<Result<Freed, Fault>>,
    },
    /// The agent is told to end.
    Stop { reply: oneshot::Sender<()> },
}

/// What everyone sees of the node.
pub(super) struct Shared {
    pub(super) paths: Paths,
    pub(super) store: Store,
    pub(super) live: Live,
    pub(super) boot: Boot,
    pub(super) problems: Arc<Problems>,
    pub(super) jobs: Arc<JobBoard>,
    pub(super) events: Arc<EventBus>,
    /// The gate at work.
    pub(super) gate: watch::Sender<Option<GateView>>,
    /// Who has confirmed the trial whose gate is at work.
    pub(super) confirmed: watch::Sender<Option<String>>,
    /// Who has reached the remote API.
    pub(super) reached: Arc<Reached>,
    /// The generation that runs.
    pub(super) running: watch::Sender<Option<GenerationId>>,
    /// When the agent looks for updates next, seconds since 1970-01-01 UTC.
    pub(super) next_look: watch::Sender<Option<u64>>,
    /// Why what was asked for last could not be staged; none where it could.
    pub(super) not_staged: watch::Sender<Option<Fault>>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) asks: mpsc::Sender<Ask>,
    /// Held while an image is pulled by hand, and while what nothing needs is removed.
    pub(super) pulling: Mutex<()>,
}

impl Shared {
    /// Everything on record, read now.
    pub(super) fn records(&self) -> Result<Records, Fault> {
        let entries = esp::entries(&self.paths).unwrap_or_default();
        Records::load(&self.paths, BootSequence::after(&entries))
            .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))
    }

    /// Before a fetching: frees what is not needed, if the store is short of room.
    pub(super) async fn make_room(&self) {
        match self.store.is_short_of_room() {
            Ok(true) => self.collect_garbage().await,
            Ok(false) => {}
            Err(error) => log::warn!("ignoring, the store may be full: {}", chain(&error)),
        }
    }

    /// Frees what neither the OS that runs nor any generation on record needs, nor was pulled by hand. Only while nothing is
    /// being fetched, which would be lost. A failure is logged: there is a next time.
    pub(super) async fn collect_garbage(&self) {
        let Ok(_held) = self.pulling.try_lock() else {
            return log::info!("not freeing the store: an image is being pulled");
        };
        let keep = match (Needs::of(self), self.store.records()) {
            (Ok(needs), Ok(images)) => needs.kept(&images),
            (Err(fault), _) => return log::warn!("not freeing the store: {fault}"),
            (_, Err(error)) => return log::warn!("not freeing the store: {}", chain(&error)),
        };
        let store = self.store.clone();
        match spawn_blocking(move || store.gc(&keep)).await {
            Ok(Ok(report)) => {
                log::info!(objects = report.objects, bytes = report.bytes; "freed the store");
            }
            Ok(Err(error)) => log::warn!("ignoring until later: {}", chain(&error)),
            Err(error) => log::error!("cannot free the store: {error}"),
        }
    }

    /// The generation that runs, with its TOML.
    pub(super) fn running_generation(&self) -> Result<(Generation, String), Fault> {
        let none = || {
            Fault::new(FaultKind::NotFound, "no generation runs yet")
                .hint("`orlop status` shows what the node waits for")
        };
        let id = (*self.running.borrow()).ok_or_else(none)?;
        let generation = self.records()?.generations.remove(&id).ok_or_else(none)?;
        self.with_text(generation)
    }

    /// A generation, with its TOML.
    pub(super) fn generation(&self, id: GenerationId) -> Result<(Generation, String), Fault> {
        let none = || {
            Fault::new(FaultKind::NotFound, format!("cannot find generation {id}"))
                .hint("`orlop config history` lists the configs on record")
        };
        let generation = self.records()?.generations.remove(&id).ok_or_else(none)?;
        self.with_text(generation)
    }

    fn with_text(&self, generation: Generation) -> Result<(Generation, String), Fault> {
        let text = config::text_on_record(&self.paths, &generation.config)?;
        Ok((generation, text))
    }

    /// The config of the generation that runs.
    pub(super) fn running_config(&self) -> Result<(Generation, NodeConfig), Fault> {
        let (generation, text) = self.running_generation()?;
        Ok((generation, config::parse(&text)?))
    }
}

/// Turns changes of phase and of containers into events, for as long as the node runs.
pub(super) fn relay(shared: &Arc<Shared>) {
    let (events, mut phase) = (Arc::clone(&shared.events), shared.phase.clone());
    tokio::spawn(async move {
        while phase.changed().await.is_ok() {
            let phase = *phase.borrow_and_update();
            events.send(EventKind::Phase { phase });
        }
    });
    let (events, mut changes) = (Arc::clone(&shared.events), shared.live.runtime().changes());
    tokio::spawn(async move {
        loop {
            match changes.recv().await {
                Ok(change) => {
                    let name = change.name.to_string();
                    let state = gate::words(change.state, change.health);
                    log::info!(container = name.as_str(); "container {name}: {state}");
                    events.send(EventKind::Container { name, state });
                }
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    events.send(EventKind::Missed { count });
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    });
}
