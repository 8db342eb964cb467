//! `POST /v1/containers/{name}/exec`: a connection that becomes the input and output of a command in a
//! container. The command does not outlive the connection.

use super::access::Peer;
use super::body;
use super::connection::Stopping;
use super::reply::Reply;
use super::routes::Endpoint;
use super::session::{Opened, answer, take_slot, take_upgrade};
use crate::ops::Operations;
use axum::Extension;
use axum::extract::{Path, Request, State};
use orlop_api::{ExecRequest, Fault, FaultKind};
use std::sync::Arc;

pub(crate) async fn exec<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Extension(stopping): Extension<Stopping>,
    Path(name): Path<String>,
    request: Request,
) -> Reply {
    let opened = open(&*ops, &peer, &name, request).await;
    answer(&peer, Endpoint::Exec, &name, opened, stopping)
}

/// Starts the command last: nothing runs for a request that is refused.
async fn open<O: Operations>(
    ops: &O,
    peer: &Peer,
    name: &str,
    request: Request,
) -> Result<Opened, Fault> {
    let (mut parts, body) = request.into_parts();
    let upgrade = take_upgrade(&mut parts, "run a command", "orlop container exec")?;
    let request: ExecRequest = body::read_json(body).await?;
    if request.command.first().is_none_or(String::is_empty) {
        let message = format!("cannot run a command in {name}: there is none");
        return Err(Fault::new(FaultKind::Usage, message));
    }
    if let Some(workdir) = request.workdir.as_ref().filter(|dir| !dir.starts_with('/')) {
        let message = format!("cannot run a command in {workdir:?}: it is no absolute path");
        return Err(Fault::new(FaultKind::Usage, message));
    }
    let slot = take_slot("run a command in", name)?;
    let session = ops.exec(name, request, peer.caller.clone()).await?;
    Ok(Opened {
        session,
        upgrade,
        slot,
    })
}
