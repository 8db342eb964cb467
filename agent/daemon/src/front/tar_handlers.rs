//! Handlers of the routes that carry tar archives.

use super::access::Peer;
use super::audit;
use super::reply::{self, Reply};
use super::routes::Endpoint;
use crate::ops::{Operations, Tar};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use orlop_api::{CopyInQuery, CopyOutQuery, Fault, FaultKind, ImportQuery};
use orlop_config::Name;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Media type of a tar archive.
const TAR: &str = "application/x-tar";
/// The most archives at once, in and out: each has a thread.
const MOST_ARCHIVES: usize = 4;
static ARCHIVES: Semaphore = Semaphore::const_new(MOST_ARCHIVES);
/// A client that sends nothing for so long has gone.
const STALL: Duration = Duration::from_secs(60);
/// How long a refused client is listened to: one that is cut off while it sends does not read why.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) async fn export_volume<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
) -> Reply {
    let result = match slot() {
        Ok(slot) => ops
            .export_volume(&name, peer.caller.clone())
            .await
            .map(|tar| outgoing(tar, slot)),
        Err(fault) => Err(fault),
    };
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record_on(
        &peer.caller,
        Endpoint::ExportVolume.as_str(),
        &name,
        &outcome,
    );
    Ok(result?)
}

pub(crate) async fn import_volume<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    body: Body,
) -> Reply {
    let mut archive = Incoming::of(body);
    let result = async {
        let Query(query) = query.map_err(|error| bad_query(&error))?;
        let volume = Name::new(&name).ok_or_else(|| {
            let message = format!("cannot use {name:?} as a volume's name");
            Fault::new(FaultKind::Usage, message)
                .hint("names are 1 to 48 of a-z, 0-9 and -, as in the TOML")
        })?;
        let _slot = slot()?;
        let caller = peer.caller.clone();
        ops.import_volume(volume, query.replace, archive.tar(), caller)
            .await
    };
    let result = result.await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record_on(
        &peer.caller,
        Endpoint::ImportVolume.as_str(),
        &name,
        &outcome,
    );
    if result.is_err() {
        archive.drain().await;
    }
    reply::ok(&result?)
}

pub(crate) async fn copy_out<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    query: Result<Query<CopyOutQuery>, QueryRejection>,
) -> Reply {
    let result = async {
        let Query(query) = query.map_err(|error| bad_query(&error))?;
        let slot = slot()?;
        let tar = ops
            .copy_out(&name, &query.path, peer.caller.clone())
            .await?;
        Ok(outgoing(tar, slot))
    };
    let result: Result<Response, Fault> = result.await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record_on(&peer.caller, Endpoint::CopyOut.as_str(), &name, &outcome);
    Ok(result?)
}

pub(crate) async fn copy_in<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    query: Result<Query<CopyInQuery>, QueryRejection>,
    body: Body,
) -> Reply {
    let mut archive = Incoming::of(body);
    let result = async {
        let Query(query) = query.map_err(|error| bad_query(&error))?;
        let _slot = slot()?;
        let caller = peer.caller.clone();
        ops.copy_in(&name, query, archive.tar(), caller).await
    };
    let result = result.await;
    audit::record_on(&peer.caller, Endpoint::CopyIn.as_str(), &name, &result);
    if result.is_err() {
        archive.drain().await;
    }
    result?;
    reply::ok(&serde_json::json!({}))
}

fn bad_query(error: &QueryRejection) -> Fault {
    let message = format!("cannot read the query: {}", error.body_text());
    Fault::new(FaultKind::Usage, message)
}

pub(super) fn slot() -> Result<SemaphorePermit<'static>, Fault> {
    ARCHIVES.try_acquire().map_err(|_| {
        let message = format!("cannot do this now: {MOST_ARCHIVES} archives are under way");
        Fault::new(FaultKind::Refused, message).hint("try again when one of them is done")
    })
}

/// An archive as an answer. One that breaks cuts the connection: nobody takes the half for the whole.
pub(super) fn outgoing(tar: Tar, slot: SemaphorePermit<'static>) -> Response {
    let tar = tar.map(move |chunk| {
        let _held = &slot;
        chunk
    });
    ([(header::CONTENT_TYPE, TAR)], Body::from_stream(tar)).into_response()
}

/// An archive that a client sends.
pub(super) struct Incoming {
    receiver: Option<mpsc::Receiver<io::Result<axum::body::Bytes>>>,
    reader: tokio::task::JoinHandle<()>,
}

impl Incoming {
    /// Takes what comes in a task of its own, so that the client can be listened to also when nobody wants
    /// the archive any more.
    pub(super) fn of(body: Body) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            let mut chunks = body.into_data_stream();
            loop {
                let chunk = match timeout(STALL, chunks.next()).await {
                    Ok(None) => return,
                    Ok(Some(chunk)) => chunk.map_err(io::Error::other),
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                };
                let is_last = chunk.is_err();
                // Where nobody wants it any more it is thrown away.
                let _unwanted = sender.send(chunk).await;
                if is_last {
                    return;
                }
            }
        });
        Self {
            receiver: Some(receiver),
            reader,
        }
    }

    /// What comes; nothing the second time.
    pub(super) fn tar(&mut self) -> Tar {
        let receiver = self.receiver.take();
        futures_util::stream::unfold(receiver, |receiver| async {
            let mut receiver = receiver?;
            Some((receiver.recv().await?, Some(receiver)))
        })
        .boxed()
    }

    /// Throws the rest away, for a while.
    pub(super) async fn drain(self) {
        drop(self.receiver);
        let abort = self.reader.abort_handle();
        if timeout(DRAIN, self.reader).await.is_err() {
            abort.abort();
        }
    }
}
