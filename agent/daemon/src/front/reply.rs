//! Answers, worded as JSON.

use crate::ops::Started;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use orlop_api::{Answer, Fault, FaultKind};
use serde::Serialize;
use std::convert::Infallible;

/// Media type of one JSON value.
const JSON: &str = "application/json";
/// Media type of a stream of JSON values, a line each.
const JSON_LINES: &str = "application/x-ndjson";

/// A fault as an answer. The status is the one of its kind.
pub(crate) struct FaultReply(pub(crate) Fault);

impl From<Fault> for FaultReply {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for FaultReply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json(status, &self.0)
    }
}

/// What a handler gives back.
pub(crate) type Reply = Result<Response, FaultReply>;

/// A value as an answer.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match encode(value) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, JSON)], bytes).into_response(),
        Err(fault) => FaultReply(fault).into_response(),
    }
}

/// A value as an answer with status 200.
pub(crate) fn ok<T: Serialize>(value: &T) -> Reply {
    Ok(json(StatusCode::OK, value))
}

/// A change as an answer: 202 for a job, 200 for a plan.
pub(crate) fn started(started: Started) -> Reply {
    Ok(match started {
        Started::Job(id) => json(StatusCode::ACCEPTED, &Answer::Job(id)),
        Started::Plan(plan) => json(StatusCode::OK, &Answer::Plan(plan)),
    })
}

/// A stream as an answer, a line of JSON an item, sent as they come. Dropped, and with it the
/// stream's source, when the client leaves.
pub(crate) fn lines<S, T>(stream: S) -> Response
where
    S: Stream<Item = T> + Send + 'static,
    T: Serialize,
{
    let lines = stream.map(|item| Ok::<Bytes, Infallible>(line(&item)));
    (
        [(header::CONTENT_TYPE, JSON_LINES)],
        Body::from_stream(lines),
    )
        .into_response()
}

fn line<T: Serialize>(item: &T) -> Bytes {
    let mut bytes = encode(item).unwrap_or_else(|fault| {
        // Still one line of JSON, and no more can be said.
        log::error!(error:% = fault; "cannot encode a line of a stream");
        b"{}".to_vec()
    });
    bytes.push(b'\n');
    bytes.into()
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|error| {
        Fault::new(
            FaultKind::Internal,
            format!("cannot encode the answer: {error}"),
        )
    })
}
