//! Requests and answers.

use super::connect::{broken, connect, unreachable};
use super::target::Target;
use futures_util::{Stream, StreamExt, future, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use orlop_api::{EXEC_PROTOCOL, Fault, FaultKind, StreamEnd};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;

/// How long an answer may take to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an order to a container may take: the longest `stop_timeout`, ten minutes, with a start and
/// with what the agent does before and after.
const LONGEST_CHANGE: Duration = Duration::from_secs(15 * 60);
/// How long an archive may take: a terabyte at 12 MB/s.
const LONGEST_ARCHIVE: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest answer, in bytes: far above what a node with hundreds of generations says.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The longest line of a stream, in bytes.
const MAX_LINE_BYTES: usize = 4 << 20;

/// A node's API. Each call has a connection of its own.
#[derive(Debug)]
pub(crate) struct Client {
    target: Target,
}

/// An archive that comes.
pub(crate) type Archive = stream::BoxStream<'static, Result<Bytes, Fault>>;
/// An archive that is sent.
pub(crate) type Outgoing = stream::BoxStream<'static, io::Result<Bytes>>;
/// What a request carries.
type Sent = UnsyncBoxBody<Bytes, io::Error>;

/// Lines of a stream, as they come.
pub(crate) type Lines<T> = stream::BoxStream<'static, Result<T, Fault>>;

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target }
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        self.decode(answer).await
    }

    /// Asks for a change with this request.
    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Fault> {
        self.post_bytes(path, encode(body)?).await
    }

    /// The same for what is answered when it is done, which may take a container's whole time to stop.
    pub(crate) async fn post_and_wait<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Fault> {
        let body = encode(body)?;
        let answer = self
            .ask_within(Method::POST, path, body, LONGEST_CHANGE)
            .await?;
        self.decode(answer).await
    }

    /// Asks with a body that is no JSON.
    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Bytes,
    ) -> Result<T, Fault> {
        let answer = self.ask(Method::POST, path, body).await?;
        self.decode(answer).await
    }

    /// Asks for a connection that is no longer HTTP.
    pub(crate) async fn upgrade<B: Serialize>(
        &self,
        path: &str,
        request: &B,
    ) -> Result<TokioIo<Upgraded>, Fault> {
        let answer = self
            .send(
                Method::POST,
                path,
                (whole(encode(request)?), Some(EXEC_PROTOCOL)),
                ANSWER_TIMEOUT,
            )
            .await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.fault(answer).await);
        }
        match hyper::upgrade::on(answer).await {
            Ok(connection) => Ok(TokioIo::new(connection)),
            Err(error) => Err(broken(&self.target, &error)),
        }
    }

    /// Reads a stream of JSON lines. Its last item may be a fault.
    pub(crate) async fn lines<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<Lines<T>, Fault> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        let target = self.target.clone();
        Ok(split_lines(answer.into_body(), target)
            .map(|line| parse_line(&line?))
            .boxed())
    }

    /// Reads an archive. One that breaks off ends with a fault.
    pub(crate) async fn get_archive(&self, path: &str) -> Result<Archive, Fault> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        let chunks = answer.into_body().into_data_stream();
        let chunks = chunks.map(|chunk| {
            chunk.map_err(|error| {
                let message = format!("cannot read the archive to its end: {error}");
                Fault::new(FaultKind::Transient, message).hint("the agent's log may tell why")
            })
        });
        Ok(chunks.boxed())
    }

    /// Sends an archive, however long that takes, and reads what came of it.
    pub(crate) async fn send_archive<T: DeserializeOwned>(
        &self,
        path: &str,
        archive: Outgoing,
    ) -> Result<T, Fault> {
        let body = StreamBody::new(archive.map(|chunk| chunk.map(Frame::data))).boxed_unsync();
        let answer = self
            .send(Method::POST, path, (body, None), LONGEST_ARCHIVE)
            .await?;
        if answer.status().is_success() {
            self.decode(answer).await
        } else {
            Err(self.fault(answer).await)
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Fault> {
        self.ask_within(method, path, body, ANSWER_TIMEOUT).await
    }

    async fn ask_within(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Response<Incoming>, Fault> {
        let answer = self.send(method, path, (whole(body), None), limit).await?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(self.fault(answer).await)
        }
    }

    /// The answer, whatever its status.
    async fn send(
        &self,
        method: Method,
        path: &str,
        (body, upgrade): (Sent, Option<&str>),
        limit: Duration,
    ) -> Result<Response<Incoming>, Fault> {
        let stream = connect(&self.target).await?;
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Ends by itself when the answer is read or dropped; its errors show in the answer.
            tokio::spawn(connection.with_upgrades());
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, "orlop");
            if let Some(protocol) = upgrade {
                request = request
                    .header(header::CONNECTION, "upgrade")
                    .header(header::UPGRADE, protocol);
            }
            match request.body(body) {
                Ok(request) => Ok(sender.send_request(request).await?),
                Err(error) => Err(Box::<dyn std::error::Error + Send + Sync>::from(error)),
            }
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(broken(&self.target, error.as_ref())),
            Err(_) => {
                let why = format!("no answer within {} s", limit.as_secs());
                Err(unreachable(&self.target, &why))
            }
        }
    }

    async fn fault(&self, answer: Response<Incoming>) -> Fault {
        let status = answer.status();
        match self.read(answer).await {
            Ok(body) => serde_json::from_slice(&body).unwrap_or_else(|_| foreign(status)),
            Err(fault) => fault,
        }
    }

    async fn decode<T: DeserializeOwned>(&self, answer: Response<Incoming>) -> Result<T, Fault> {
        let body = self.read(answer).await?;
        serde_json::from_slice(&body).map_err(|error| not_understood(&error))
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Bytes, Fault> {
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
        match tokio::time::timeout(ANSWER_TIMEOUT, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(broken(&self.target, error.as_ref())),
            Err(_) => Err(unreachable(&self.target, "the answer stopped half-way")),
        }
    }
}

fn whole(body: Bytes) -> Sent {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn encode<B: Serialize>(body: &B) -> Result<Bytes, Fault> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        let message = format!("cannot encode the request: {error}");
        Fault::new(FaultKind::Internal, message)
    })?;
    Ok(bytes.into())
}

fn foreign(status: StatusCode) -> Fault {
    Fault::new(
        FaultKind::Internal,
        format!("cannot understand the answer: status {status}"),
    )
    .hint("check that an Orlop agent answers at this address")
}

fn not_understood(error: &serde_json::Error) -> Fault {
    Fault::new(
        FaultKind::Internal,
        format!("cannot understand the answer: {error}"),
    )
    .hint("`orlop --version` and `orlop status` show whether command and agent differ")
}

fn parse_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, Fault> {
    match serde_json::from_slice::<StreamEnd>(line) {
        Ok(StreamEnd { fault }) => Err(fault),
        Err(_) => serde_json::from_slice(line).map_err(|error| not_understood(&error)),
    }
}

/// The body's lines without their ends, empty ones left out.
fn split_lines(
    body: Incoming,
    target: Target,
) -> impl Stream<Item = Result<Vec<u8>, Fault>> + Send {
    let state = (body.into_data_stream(), Vec::new(), target, false);
    stream::unfold(state, |(mut data, mut rest, target, ended)| async move {
        if ended {
            return None;
        }
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = rest.drain(..=end).collect();
                line.pop();
                return Some((Ok(line), (data, rest, target, false)));
            }
            let failed = match data.next().await {
                None => return None,
                Some(Ok(chunk)) if rest.len() + chunk.len() <= MAX_LINE_BYTES => {
                    rest.extend_from_slice(&chunk);
                    continue;
                }
                Some(Ok(_)) => unreachable(&target, "a line of the answer is too long"),
                Some(Err(error)) => broken(&target, &error),
            };
            return Some((Err(failed), (data, rest, target, true)));
        }
    })
    .filter(|line| future::ready(!line.as_ref().is_ok_and(Vec::is_empty)))
}
