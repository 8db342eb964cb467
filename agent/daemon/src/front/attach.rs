//! `POST /v1/containers/{name}/attach`: a connection that joins a container's terminal, or its input. The
//! container outlives the connection.

use super::access::Peer;
use super::body;
use super::connection::Stopping;
use super::reply::Reply;
use super::routes::Endpoint;
use super::session::{Opened, answer, take_slot, take_upgrade};
use crate::ops::Operations;
use axum::Extension;
use axum::extract::{Path, Request, State};
use orlop_api::{AttachRequest, Fault};
use std::sync::Arc;

pub(crate) async fn attach<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Extension(stopping): Extension<Stopping>,
    Path(name): Path<String>,
    request: Request,
) -> Reply {
    let opened = open(&*ops, &peer, &name, request).await;
    answer(&peer, Endpoint::Attach, &name, opened, stopping)
}

async fn open<O: Operations>(
    ops: &O,
    peer: &Peer,
    name: &str,
    request: Request,
) -> Result<Opened, Fault> {
    let (mut parts, body) = request.into_parts();
    let upgrade = take_upgrade(&mut parts, "attach", "orlop container attach")?;
    let request: AttachRequest = body::read_json(body).await?;
    let slot = take_slot("attach to", name)?;
    let session = ops.attach(name, request, peer.caller.clone()).await?;
    Ok(Opened {
        session,
        upgrade,
        slot,
    })
}
