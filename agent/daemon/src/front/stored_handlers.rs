//! Handlers of the routes about images, volumes and networks.

use super::access::Peer;
use super::reply::{self, Reply};
use super::routes::Endpoint;
use super::{audit, body};
use crate::ops::{Operations, Started};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use orlop_api::{Fault, FaultKind, ImageRequest, RemoveVolumeRequest};
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn images<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.images().await?)
}

pub(crate) async fn image<O: Operations>(
    State(ops): State<Arc<O>>,
    query: Result<Query<ImageRequest>, QueryRejection>,
) -> Reply {
    let Query(query) = query.map_err(|error| {
        let message = format!("cannot read the query: {}", error.body_text());
        Fault::new(FaultKind::Usage, message)
    })?;
    reply::ok(&ops.image(&query.image).await?)
}

pub(crate) async fn pull_image<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let ImageRequest { image } = body::read_json(body).await?;
    let result = ops.pull_image(&image, peer.caller.clone()).await;
    audit::record_on(&peer.caller, Endpoint::PullImage.as_str(), &image, &result);
    reply::started(Started::Job(result?))
}

pub(crate) async fn remove_image<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let ImageRequest { image } = body::read_json(body).await?;
    let result = ops.remove_image(&image, peer.caller.clone()).await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record_on(
        &peer.caller,
        Endpoint::RemoveImage.as_str(),
        &image,
        &outcome,
    );
    reply::ok(&result?)
}

pub(crate) async fn prune_images<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
) -> Reply {
    let result = ops.prune_images(peer.caller.clone()).await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record(&peer.caller, Endpoint::PruneImages.as_str(), &outcome);
    reply::ok(&result?)
}

pub(crate) async fn volumes<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.volumes().await?)
}

pub(crate) async fn volume<O: Operations>(
    State(ops): State<Arc<O>>,
    Path(name): Path<String>,
) -> Reply {
    reply::ok(&ops.volume(&name).await?)
}

pub(crate) async fn remove_volume<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    body: Body,
) -> Reply {
    let RemoveVolumeRequest { force } = body::read_json(body).await?;
    let result = ops.remove_volume(&name, force, peer.caller.clone()).await;
    audit::record_on(
        &peer.caller,
        Endpoint::RemoveVolume.as_str(),
        &name,
        &result,
    );
    result?;
    reply::ok(&json!({}))
}

pub(crate) async fn networks<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.networks().await)
}
