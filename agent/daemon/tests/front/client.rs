//! A small HTTP client over any stream, so that tests see the very status and bytes.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use orlop_api::Fault;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

/// One request over the stream; the answer's body is yet to be read.
pub(crate) async fn send<S>(
    stream: S,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "orlop")
        .body(Full::new(body.into()))
        .unwrap();
    sender.send_request(request).await.unwrap()
}

/// Status and JSON of an answer.
pub(crate) async fn json(answer: Response<Incoming>) -> (u16, Value) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Status and fault of an answer.
pub(crate) async fn fault(answer: Response<Incoming>) -> (u16, Fault) {
    let (status, value) = json(answer).await;
    (status, serde_json::from_value(value).unwrap())
}
