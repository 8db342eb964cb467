//! One HTTP connection, within limits.

use super::access::Peer;
use crate::clock;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use orlop_core::Uptime;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// The most bytes of a request's line and headers, and of what is buffered for writing.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// How long a request's headers may take, and how long a connection may be idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// When a connection was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connected(pub(crate) Uptime);

/// Called when the door closes: for what goes on when its connection is no longer HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

/// Serves requests of `peer` until it leaves or `stop` is called; then streams are cut too.
pub(crate) async fn serve<S>(stream: S, peer: Peer, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connected = Connected(clock::uptime());
    let router = router
        .layer(Extension(peer.clone()))
        .layer(Extension(Stopping(stop.clone())))
        .layer(Extension(connected));
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let result = tokio::select! {
        result = connection => result,
        () = stop.cancelled() => Ok(()),
    };
    if let Err(error) = result {
        // The client's doing: left in the middle, too slow, no HTTP.
        log::debug!(caller:% = peer.caller, error:% = error; "ignoring a broken connection");
    }
}
