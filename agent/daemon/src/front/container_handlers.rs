//! Handlers of the routes about single containers.

use super::access::Peer;
use super::reply::{self, Reply};
use super::routes::Endpoint;
use super::{audit, body};
use crate::ops::{Operations, Order};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use orlop_api::{Fault, FaultKind, KillRequest, StatsQuery};
use std::sync::Arc;

pub(crate) async fn inspect<O: Operations>(
    State(ops): State<Arc<O>>,
    Path(name): Path<String>,
) -> Reply {
    reply::ok(&ops.inspect(&name).await?)
}

pub(crate) async fn stats<O: Operations>(
    State(ops): State<Arc<O>>,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Reply {
    let Query(query) = query.map_err(|error| {
        let message = format!("cannot read the query: {}", error.body_text());
        Fault::new(FaultKind::Usage, message)
    })?;
    let names = query.names.split(',').filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    reply::ok(&ops.stats(&names).await?)
}

pub(crate) async fn processes<O: Operations>(
    State(ops): State<Arc<O>>,
    Path(name): Path<String>,
) -> Reply {
    reply::ok(&ops.processes(&name).await?)
}

pub(crate) async fn stop<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
) -> Reply {
    order(&*ops, &peer, &name, (Order::Stop, Endpoint::StopContainer)).await
}

pub(crate) async fn start<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
) -> Reply {
    let order_and_endpoint = (Order::Start, Endpoint::StartContainer);
    order(&*ops, &peer, &name, order_and_endpoint).await
}

pub(crate) async fn restart<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
) -> Reply {
    let order_and_endpoint = (Order::Restart, Endpoint::RestartContainer);
    order(&*ops, &peer, &name, order_and_endpoint).await
}

pub(crate) async fn kill<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    body: Body,
) -> Reply {
    let request: KillRequest = body::read_json(body).await?;
    let order_and_endpoint = (
        Order::kill(request.signal.as_deref())?,
        Endpoint::KillContainer,
    );
    order(&*ops, &peer, &name, order_and_endpoint).await
}

/// Answers with how the container stands then.
async fn order<O: Operations>(
    ops: &O,
    peer: &Peer,
    name: &str,
    (order, endpoint): (Order, Endpoint),
) -> Reply {
    let result = ops.order(name, order, peer.caller.clone()).await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record_on(&peer.caller, endpoint.as_str(), name, &outcome);
    reply::ok(&result?)
}
