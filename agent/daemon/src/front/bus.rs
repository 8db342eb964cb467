//! The agent on the system bus: connects, serves, relays events, and connects again.

use super::access::OPERATORS_GROUP;
use super::host1::Host1;
use crate::ops::Operations;
use futures_util::StreamExt;
use orlop_api::{Event, EventKind, JobState};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use zbus::connection::Builder;
use zbus::object_server::InterfaceRef;

/// The agent's name on the bus.
pub const BUS_NAME: &str = "io.orlop.Host1";
/// The path of its object.
pub const OBJECT_PATH: &str = "/io/orlop/Host1";

/// The first wait before connecting again; doubled after each failure.
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
/// The longest wait before connecting again.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// Which bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusAddress {
    /// The system bus.
    System,
    /// The bus at this address, as D-Bus writes it: `unix:path=/tmp/bus`.
    At(String),
}

/// Why the agent is not on the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection, or no leave to take the name.
    #[error("cannot join the bus as {BUS_NAME}")]
    Join(#[source] zbus::Error),
    /// The connection is there and does not do.
    #[error("cannot serve {BUS_NAME} on the bus")]
    Serve(#[source] zbus::Error),
    /// The bus went away.
    #[error("cannot serve {BUS_NAME}: the bus closed the connection")]
    Closed,
}

/// The agent's presence on the bus. Ends when this is dropped.
#[derive(Debug)]
pub struct Bus {
    _stop: DropGuard,
}

impl Bus {
    /// Joins the bus, and again whenever the bus restarts; until it is there, a warning for each
    /// try is logged. Must be called within a tokio runtime; returns at once.
    pub fn start<O: Operations>(ops: Arc<O>, address: BusAddress) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stay(ops, address) => {}
                () = stopped.cancelled() => {}
            }
        });
        Self {
            _stop: stop.drop_guard(),
        }
    }
}

async fn stay<O: Operations>(ops: Arc<O>, address: BusAddress) {
    let mut wait = FIRST_BACK_OFF;
    loop {
        let error = match join(&ops, &address).await {
            Ok(connection) => {
                wait = FIRST_BACK_OFF;
                log::info!("serving {BUS_NAME} on the bus");
                serve(&ops, &connection).await
            }
            Err(error) => error,
        };
        let cause = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        log::warn!(cause; "{error}, trying again in {} ms", wait.as_millis());
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_BACK_OFF);
    }
}

async fn join<O: Operations>(
    ops: &Arc<O>,
    address: &BusAddress,
) -> Result<zbus::Connection, BusError> {
    let builder = match address {
        BusAddress::System => Builder::system(),
        BusAddress::At(address) => Builder::address(address.as_str()),
    };
    builder
        .serve_at(
            OBJECT_PATH,
            Host1::new(Arc::clone(ops), OPERATORS_GROUP.to_owned()),
        )
        .name(BUS_NAME)
        .build()
        .await
        .map_err(BusError::Join)
}

/// Relays events until the bus goes away, which is the error that this returns.
async fn serve<O: Operations>(ops: &Arc<O>, connection: &zbus::Connection) -> BusError {
    let object = match connection
        .object_server()
        .interface::<_, Host1<O>>(OBJECT_PATH)
        .await
    {
        Ok(object) => object,
        Err(error) => return BusError::Serve(error),
    };
    let mut events = ops.events();
    loop {
        let event = tokio::select! {
            () = connection.closed() => return BusError::Closed,
            event = events.next() => event,
        };
        let Some(event) = event else {
            // No more events, yet methods still work.
            connection.closed().await;
            return BusError::Closed;
        };
        if let Err(error) = relay(&object, event).await {
            return BusError::Serve(error);
        }
    }
}

async fn relay<O: Operations>(object: &InterfaceRef<Host1<O>>, event: Event) -> zbus::Result<()> {
    let emitter = object.signal_emitter();
    match event.kind {
        EventKind::Phase { phase } => {
            Host1::<O>::phase_changed(emitter, phase.as_str()).await?;
            object.get().await.state_changed(emitter).await
        }
        EventKind::Job { job } => match job.state {
            JobState::Running { progress } => {
                let total = progress.total.unwrap_or(0);
                Host1::<O>::progress(emitter, job.id.0, &progress.step, progress.done, total).await
            }
            JobState::Done { .. } | JobState::Failed { .. } => Ok(()),
        },
        EventKind::Check { check } => {
            let result = match check.pass {
                Some(true) => "pass",
                Some(false) => "fail",
                None => "wait",
            };
            Host1::<O>::check_changed(emitter, &check.name, result, &check.detail).await
        }
        EventKind::Trial {
            generation,
            fallback,
            confirm_secs,
        } => {
            let (fallback, confirm) = (fallback.unwrap_or(0), confirm_secs.unwrap_or(0));
            Host1::<O>::trial_began(emitter, generation, fallback, confirm).await
        }
        EventKind::Verdict { verdict } => {
            let json = serde_json::to_string(&verdict).unwrap_or_default();
            let words = verdict.trigger.to_string();
            Host1::<O>::trial_ended(emitter, verdict.generation, verdict.good, &words, &json).await
        }
        EventKind::Missed { count } => Host1::<O>::events_missed(emitter, count).await,
        EventKind::Container { .. } => Ok(()),
    }
}
