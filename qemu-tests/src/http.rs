//! One HTTP request over a connection that is open already.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: String,
}

/// Asks over TCP. The socket may be of another network namespace than the caller.
///
/// # Errors
/// The connection breaks, the answer is not HTTP, or does not come within 30 s.
pub fn ask_tcp(stream: TcpStream, method: Method, path: &str, body: &str) -> io::Result<Answer> {
    stream.set_nonblocking(true)?;
    let connect = || tokio::net::TcpStream::from_std(stream);
    run(connect, method, path, body)
}

/// Asks over a unix socket.
///
/// # Errors
/// As [`ask_tcp`].
pub fn ask_unix(stream: UnixStream, method: Method, path: &str, body: &str) -> io::Result<Answer> {
    stream.set_nonblocking(true)?;
    let connect = || tokio::net::UnixStream::from_std(stream);
    run(connect, method, path, body)
}

fn run<S>(
    stream: impl FnOnce() -> io::Result<S>,
    method: Method,
    path: &str,
    body: &str,
) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Its own reactor is known only in here.
        let exchange = exchange(stream()?, method, path, body);
        match timeout(TIMEOUT, exchange).await {
            Ok(done) => done.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    })
}

async fn exchange<S>(
    stream: S,
    method: Method,
    path: &str,
    body: &str,
) -> Result<Answer, Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "machine")
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body.to_owned()))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await?
        .to_bytes();
    Ok(Answer {
        status,
        body: String::from_utf8(body.to_vec())?,
    })
}
