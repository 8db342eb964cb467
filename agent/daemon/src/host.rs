//! The node as one thing: the state machine's driver, and the operations that every front door
//! calls.
//!
//! One task, the driver, owns the state machine and does everything that changes the node, one
//! thing after the other. What takes long beside it (fetching, the gate) runs in tasks of its own
//! and tells the driver when it is done. Reads go past the driver, straight to the records.

mod containers;
mod diff;
mod driver;
mod events;
mod first;
mod images;
mod jobs;
mod networks;
mod operations;
mod shared;
mod stored;
mod update;
mod views;
mod volumes;

pub use events::EventBus;
pub use jobs::{JobBoard, Ticket};
pub use operations::Host;

use crate::booted::{self, Boot};
use crate::chain::chain;
use crate::effects::Effects;
use crate::gate::Reached;
use crate::live::{self, Live};
use crate::paths::Paths;
use crate::problems::{Problems, Topic};
use crate::runtime::{Places, Runtime};
use crate::switch::Switch;
use driver::Driver;
use orlop_core::Policy;
use orlop_image::{Store, StoreError, Verity};
use shared::Shared;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, watch};

/// Requests that may wait for the driver. A front door that finds it full waits too.
const ASKS_KEPT: usize = 16;

/// The host cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Without the store there is neither an OS image nor a container.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins to run the node at `paths`. Returns at once; the driver finds out what was booted, and
/// goes on from there. Must be called within a tokio runtime.
///
/// # Errors
/// [`HostError`]: the store cannot be opened.
pub fn start(paths: Paths, effects: Arc<dyn Effects>) -> Result<Host, HostError> {
    let problems = Arc::new(Problems::default());
    let boot = booted::read(&paths).unwrap_or_else(|error| {
        problems.set(Topic::Boot, vec![chain(&error)]);
        Boot::unknown()
    });
    let verity = if boot.verity {
        Verity::Required
    } else {
        Verity::Off
    };
    let store = Store::open_or_init(&paths.store(), verity)?;
    let runtime = Runtime::new(Places::under(&paths.place("/")), live::mounter(&store));
    let live = Live::new(
        paths.clone(),
        store.clone(),
        runtime,
        Arc::clone(&problems),
        boot.clone(),
    );
    let policy = Policy::default();
    let (gate, seen) = watch::channel(None);
    let switch = Switch::new(
        paths.clone(),
        effects,
        store.clone(),
        live.clone(),
        boot.clone(),
        policy,
    )
    .seeing(seen);
    let (asks, asked) = mpsc::channel(ASKS_KEPT);
    let events = Arc::new(EventBus::default());
    let (running, _) = watch::channel(None);
    let (confirmed, _) = watch::channel(None);
    let (next_look, _) = watch::channel(None);
    let (not_staged, _) = watch::channel(None);
    let shared = Arc::new(Shared {
        paths,
        store,
        live,
        boot,
        problems,
        jobs: Arc::new(JobBoard::new(Arc::clone(&events))),
        events,
        gate,
        confirmed,
        reached: Arc::new(Reached::default()),
        running,
        next_look,
        not_staged,
        phase: switch.phases(),
        asks,
        pulling: Mutex::default(),
    });
    let runtime = shared.live.runtime().clone();
    tokio::spawn(async move { runtime.tidy_volumes().await });
    shared::relay(&shared);
    update::start(&shared);
    tokio::spawn(Driver::new(Arc::clone(&shared), switch).run(asked));
    Ok(Host::new(shared))
}
