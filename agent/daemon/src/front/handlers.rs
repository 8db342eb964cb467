//! One handler for each route: read the request, call the operation, word the answer.

use super::access::Peer;
use super::reply::{self, Reply};
use super::routes::Endpoint;
use super::{audit, body};
use crate::ops::{Operations, Pinning, Started};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use futures_util::StreamExt;
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, ConfigQuery, DiffQuery, Fault, FaultKind, JobId, LogQuery,
    ReleaseRequest, RollBackRequest, StageRequest, StreamEnd,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most log lines that one request may ask for.
const MAX_LOG_LINES: u32 = 100_000;

pub(crate) async fn status<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.status().await)
}

pub(crate) async fn generations<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.generations().await)
}

pub(crate) async fn diff<O: Operations>(
    State(ops): State<Arc<O>>,
    query: Result<Query<DiffQuery>, QueryRejection>,
) -> Reply {
    let Query(query) = query.map_err(|error| usage("the query", &error.body_text()))?;
    reply::ok(&ops.diff(query).await?)
}

pub(crate) async fn pin<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<u64>, PathRejection>,
) -> Reply {
    set_pin(&*ops, &peer, id, (Pinning::Pin, Endpoint::Pin)).await
}

pub(crate) async fn unpin<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<u64>, PathRejection>,
) -> Reply {
    set_pin(&*ops, &peer, id, (Pinning::Unpin, Endpoint::Unpin)).await
}

/// Answers with every generation.
async fn set_pin<O: Operations>(
    ops: &O,
    peer: &Peer,
    id: Result<Path<u64>, PathRejection>,
    (pinning, endpoint): (Pinning, Endpoint),
) -> Reply {
    let Path(id) = id.map_err(|error| usage("the generation's number", &error.body_text()))?;
    let result = ops.pin(id, pinning, peer.caller.clone()).await;
    audit::record(&peer.caller, endpoint.as_str(), &result);
    result?;
    reply::ok(&ops.generations().await)
}

pub(crate) async fn config<O: Operations>(
    State(ops): State<Arc<O>>,
    query: Result<Query<ConfigQuery>, QueryRejection>,
) -> Reply {
    let Query(query) = query.map_err(|error| usage("the query", &error.body_text()))?;
    reply::ok(&ops.config(query).await?)
}

pub(crate) async fn config_history<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.config_history().await)
}

pub(crate) async fn confirm<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
) -> Reply {
    let result = ops.confirm(peer.caller.clone()).await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record(&peer.caller, Endpoint::Confirm.as_str(), &outcome);
    reply::ok(&result?)
}

pub(crate) async fn release<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let request: ReleaseRequest = body::read_json(body).await?;
    let result = ops.release(request, peer.caller.clone()).await;
    let outcome = result.as_ref().map(drop).map_err(Clone::clone);
    audit::record(&peer.caller, Endpoint::Release.as_str(), &outcome);
    reply::ok(&result?)
}

pub(crate) async fn why<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.why().await)
}

pub(crate) async fn containers<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    reply::ok(&ops.containers().await)
}

pub(crate) async fn logs<O: Operations>(
    State(ops): State<Arc<O>>,
    Path(name): Path<String>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Reply {
    let Query(query) = query.map_err(|error| usage("the query", &error.body_text()))?;
    if query.lines.is_some_and(|lines| lines > MAX_LOG_LINES) {
        return Err(usage(
            "the query",
            &format!("`lines` is more than {MAX_LOG_LINES}"),
        )
        .into());
    }
    let lines = ops.logs(&name, query).await?;
    let mut ended = false;
    Ok(reply::lines(lines.map(to_line).take_while(move |line| {
        // A fault is the last line.
        let go_on = !ended;
        ended = line.get("fault").is_some();
        std::future::ready(go_on)
    })))
}

fn to_line(item: Result<orlop_api::LogLine, Fault>) -> Value {
    match item {
        Ok(line) => json!(line),
        Err(fault) => json!(StreamEnd { fault }),
    }
}

pub(crate) async fn job<O: Operations>(
    State(ops): State<Arc<O>>,
    id: Result<Path<u64>, PathRejection>,
) -> Reply {
    reply::ok(&ops.job(job_id(id)?).await?)
}

pub(crate) async fn events<O: Operations>(State(ops): State<Arc<O>>) -> Reply {
    Ok(reply::lines(ops.events()))
}

pub(crate) async fn check_config<O: Operations>(State(ops): State<Arc<O>>, body: Body) -> Reply {
    let text = body::read_text(body).await?;
    reply::ok(&ops.check_config(&text))
}

pub(crate) async fn apply_config<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let request: ApplyConfigRequest = body::read_json(body).await?;
    let result = ops.apply_config(request, peer.caller.clone()).await;
    audit::record(&peer.caller, Endpoint::ApplyConfig.as_str(), &result);
    reply::started(result?)
}

pub(crate) async fn stage<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let request: StageRequest = body::read_json(body).await?;
    let result = ops.stage(request, peer.caller.clone()).await;
    audit::record(&peer.caller, Endpoint::Stage.as_str(), &result);
    reply::started(Started::Job(result?))
}

pub(crate) async fn apply<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let request: ApplyRequest = body::read_json(body).await?;
    let result = ops.apply(request, peer.caller.clone()).await;
    audit::record(&peer.caller, Endpoint::Apply.as_str(), &result);
    reply::started(result?)
}

pub(crate) async fn roll_back<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    let request: RollBackRequest = body::read_json(body).await?;
    let result = ops.roll_back(request, peer.caller.clone()).await;
    audit::record(&peer.caller, Endpoint::RollBack.as_str(), &result);
    reply::started(result?)
}

pub(crate) async fn cancel<O: Operations>(
    State(ops): State<Arc<O>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<u64>, PathRejection>,
) -> Reply {
    let id = job_id(id)?;
    let result = ops.cancel(id, peer.caller.clone()).await;
    audit::record(&peer.caller, Endpoint::Cancel.as_str(), &result);
    result?;
    reply::ok(&ops.job(id).await?)
}

fn job_id(id: Result<Path<u64>, PathRejection>) -> Result<JobId, Fault> {
    let Path(id) = id.map_err(|error| usage("the job's number", &error.body_text()))?;
    Ok(JobId(id))
}

fn usage(what: &str, why: &str) -> Fault {
    Fault::new(FaultKind::Usage, format!("cannot read {what}: {why}"))
}
