//! A connection that becomes a session: the input and output of a command in a container, or of a container itself.
//! Neither side sends anything but frames from then on.

use super::access::Peer;
use super::audit;
use super::connection::Stopping;
use super::reply::Reply;
use super::routes::Endpoint;
use crate::ops::Session;
use crate::window_size;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use orlop_api::{
    EXEC_PROTOCOL, Fault, FaultKind, Frame, FrameDecoder, FrameKind, MAX_FRAME_BYTES, WindowSize,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{interval, sleep};

/// The most sessions at once, over all connections.
const MOST_SESSIONS: usize = 32;
static SESSIONS: Semaphore = Semaphore::const_new(MOST_SESSIONS);
/// The kernel's number of `EIO` (errno(3)).
const IO_ERROR: i32 = 5;
/// How often the client is told that the command goes on; so it is found out that it has gone.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How long a command that has ended may keep silent before its output counts as ended too: what it left
/// behind may hold its pipes open.
const DRAIN: Duration = Duration::from_millis(500);

/// A session that has begun, and the connection that is to be its own.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) upgrade: OnUpgrade,
    pub(super) slot: SemaphorePermit<'static>,
}

/// The connection of a request that wants it to be no longer HTTP. `verb` is what it is for.
pub(super) fn take_upgrade(
    parts: &mut Parts,
    verb: &str,
    command: &str,
) -> Result<OnUpgrade, Fault> {
    let wanted = parts.headers.get(header::UPGRADE);
    let upgrade = wanted
        .filter(|wanted| *wanted == EXEC_PROTOCOL)
        .and_then(|_| parts.extensions.remove::<OnUpgrade>());
    upgrade.ok_or_else(|| {
        let message = format!("cannot {verb} over a connection that stays HTTP");
        Fault::new(FaultKind::Usage, message).hint(format!(
            "send `Connection: upgrade` and `Upgrade: {EXEC_PROTOCOL}`, or use `{command}`"
        ))
    })
}

/// A place among the sessions that there may be at once.
pub(super) fn take_slot(verb: &str, name: &str) -> Result<SemaphorePermit<'static>, Fault> {
    SESSIONS.try_acquire().map_err(|_| {
        let message = format!("cannot {verb} {name}: {MOST_SESSIONS} sessions run already");
        Fault::new(FaultKind::Refused, message)
    })
}

/// Records what came of it. Answers that the connection changes, and lets the session have it until one of them or
/// the agent ends.
pub(super) fn answer(
    peer: &Peer,
    endpoint: Endpoint,
    name: &str,
    opened: Result<Opened, Fault>,
    Stopping(stop): Stopping,
) -> Reply {
    let outcome = opened.as_ref().map(drop).map_err(Clone::clone);
    audit::record_on(&peer.caller, endpoint.as_str(), name, &outcome);
    let Opened {
        session,
        upgrade,
        slot,
    } = opened?;
    tokio::spawn(async move {
        let _slot = slot;
        let work = async {
            match upgrade.await {
                Ok(connection) => relay(connection, session).await,
                Err(error) => log::debug!(error:% = error; "ignoring a client that went away"),
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, EXEC_PROTOCOL),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

type Connection = TokioIo<Upgraded>;

/// Returns when the command has ended and the client knows, or when the client has gone.
async fn relay(connection: Upgraded, session: Session) {
    let (reader, mut writer) = split(TokioIo::new(connection));
    let Session {
        stdin,
        stdout,
        stderr,
        terminal,
        ended,
    } = session;
    let outputs = send_outputs(&mut writer, [stdout, stderr], ended);
    let result = tokio::select! {
        result = outputs => result,
        result = take_input(reader, stdin, terminal) => result,
    };
    if let Err(error) = result {
        log::debug!(error:% = error; "ignoring a broken connection to a command");
    }
}

type Output = Option<Box<dyn AsyncRead + Send + Unpin>>;

async fn send_outputs(
    writer: &mut WriteHalf<Connection>,
    [mut out, mut err]: [Output; 2],
    mut ended: impl Future<Output = io::Result<u8>> + Unpin,
) -> io::Result<()> {
    let (mut of_out, mut of_err) = (vec![0; MAX_FRAME_BYTES], vec![0; MAX_FRAME_BYTES]);
    let mut alive = interval(ALIVE_EVERY);
    let mut status = None;
    while status.is_none() || out.is_some() || err.is_some() {
        tokio::select! {
            read = next(&mut out, &mut of_out), if out.is_some() => {
                send(writer, FrameKind::Stdout, &of_out[..read?]).await?;
            }
            read = next(&mut err, &mut of_err), if err.is_some() => {
                send(writer, FrameKind::Stderr, &of_err[..read?]).await?;
            }
            result = &mut ended, if status.is_none() => status = Some(result?),
            () = sleep(DRAIN), if status.is_some() => break,
            _ = alive.tick() => {
                writer.write_all(&Frame::encode(FrameKind::Alive, b"")).await?;
                writer.flush().await?;
            }
        }
    }
    let status = status.unwrap_or(u8::MAX);
    writer
        .write_all(&Frame::encode(FrameKind::Exit, &[status]))
        .await?;
    writer.shutdown().await
}

/// Reads some; at the end there is no output any more.
async fn next(output: &mut Output, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(pipe) = output else {
        return Ok(0);
    };
    let read = match pipe.read(buffer).await {
        // How a terminal tells that nobody has it open any more (pty(7)).
        Err(error) if error.raw_os_error() == Some(IO_ERROR) => 0,
        read => read?,
    };
    if read == 0 {
        *output = None;
    }
    Ok(read)
}

async fn send(
    writer: &mut WriteHalf<Connection>,
    kind: FrameKind,
    content: &[u8],
) -> io::Result<()> {
    if content.is_empty() {
        return Ok(());
    }
    writer.write_all(&Frame::encode(kind, content)).await?;
    writer.flush().await
}

/// Returns when the client has gone.
async fn take_input(
    mut reader: ReadHalf<Connection>,
    mut stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    terminal: Option<OwnedFd>,
) -> io::Result<()> {
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; MAX_FRAME_BYTES];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        decoder.push(&buffer[..read]);
        while let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
            if let (FrameKind::Resize, Some(terminal)) = (frame.kind, &terminal) {
                resize(terminal, &frame.content);
            }
            if frame.kind != FrameKind::Stdin {
                continue;
            }
            let Some(pipe) = &mut stdin else {
                continue;
            };
            let written = match frame.content.is_empty() {
                true => Err(io::ErrorKind::BrokenPipe.into()),
                false => pipe.write_all(&frame.content).await,
            };
            // The end of the input, or a command that does not want more.
            if written.is_err() {
                stdin = None;
            }
        }
    }
}

/// Does what a frame says of a terminal's size.
fn resize(terminal: &OwnedFd, content: &[u8]) {
    let Some(size) = WindowSize::decode(content) else {
        return;
    };
    if let Err(error) = window_size::set(terminal, size) {
        log::debug!(error:% = error; "ignoring a size that a terminal does not take");
    }
}
