//! One HTTP question over an open connection, for probes: which status does a GET get?

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Why there is no status. The caller knows whom it asked, and says so.
pub(crate) enum NoStatus {
    /// The other side does not speak HTTP.
    Handshake(hyper::Error),
    /// Host or path cannot stand in a request.
    Request(hyper::http::Error),
    /// The connection ended without an answer.
    Answer(hyper::Error),
}

/// The status of a GET of `path` with this `Host:`. Takes as long as the other side likes: the
/// caller sets the limit.
pub(crate) async fn http_status(
    stream: TcpStream,
    host: &str,
    path: &str,
) -> Result<u16, NoStatus> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(NoStatus::Handshake)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("orlopd/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(NoStatus::Request)?;
    let answer = sender.send_request(request).await;
    // The status is all that is asked for; a body without end must not be read.
    connection.abort();
    Ok(answer.map_err(NoStatus::Answer)?.status().as_u16())
}
