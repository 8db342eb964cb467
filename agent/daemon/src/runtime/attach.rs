//! Joining a container's terminal, or its input.
//!
//! A process of the container's unit holds the other end (docs/adr/0021-terminals-of-containers.md). It sends one byte and, with it,
//! the terminal, for its size; from then on the connection is the terminal's output and input, as they are. That is all
//! of the protocol, for it outlives the agent and the OS: after a live swap the process is still the old one.

use super::containers::{LogStream, Runtime};
use super::error::{RuntimeError, Step, StepError};
use super::instance::Instance;
use super::live::Live;
use super::logs;
use super::systemd::Exit;
use super::terminal::receive;
use crate::clock;
use crate::ops::Session;
use crate::window_size;
use futures_util::{FutureExt as _, StreamExt as _};
use nix::sys::signal::Signal;
use orlop_api::AttachRequest;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::oneshot;
use tokio_util::io::StreamReader;

/// The holder answers within milliseconds; this is for a loaded machine.
const LIMIT: Duration = Duration::from_secs(10);
/// How long systemd may take to tell how a container has ended whose terminal is gone.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// How long a container's last lines may take through the journal.
const JOURNAL_LAG: Duration = Duration::from_millis(500);
/// What shells add to a signal's number for an exit status.
const BY_SIGNAL: i32 = 128;

impl Runtime {
    /// Joins a container that runs: its terminal, or its input together with its log. Nothing ends with the session but that.
    ///
    /// # Errors
    /// `Unknown`; `NotNow` where it does not run, or has neither; in step `Attach`.
    pub async fn attach(
        &self,
        name: &str,
        request: AttachRequest,
    ) -> Result<Session, RuntimeError> {
        let name = self.known(name)?;
        let not_now = |why: &str| RuntimeError::NotNow {
            verb: "attach to",
            container: name.clone(),
            why: why.to_owned(),
        };
        let live = &self.inner.live;
        let instance = live.serving(&name);
        let Some((pid, _)) = live.running(&instance) else {
            return Err(not_now("it does not run"));
        };
        let process = live
            .known(&name)
            .map(|known| known.container.config.process);
        if process.is_none_or(|process| !process.tty && !process.stdin) {
            return Err(not_now("it has no terminal, and its input is not open"));
        }
        let of = || RuntimeError::of(&name, Step::Attach);
        let since = clock::since_1970();
        let socket = self.inner.executor.places.attach_socket(&instance);
        let (stream, terminal) = join(&socket).await.map_err(of())?;
        if let (Some(terminal), Some(size)) = (&terminal, request.terminal) {
            window_size::set(terminal, size)
                .map_err(StepError::file("set the size of", &socket))
                .map_err(of())?;
        }
        let (reader, writer) = stream.into_split();
        let (gone, lost) = oneshot::channel();
        let ended = end(Arc::clone(live), instance, pid, lost);
        let stdin: Box<dyn tokio::io::AsyncWrite + Send + Unpin> = Box::new(writer);
        let (stdout, ended): (Box<dyn AsyncRead + Send + Unpin>, _) = match terminal {
            Some(_) => (
                Box::new(Output {
                    reader,
                    gone: Some(gone),
                }),
                ended.boxed(),
            ),
            None => {
                let lines = logs::read(&name, u32::MAX, logs::Reach::From(since))?;
                let (told, end) = oneshot::channel();
                let ended = async move {
                    let status = tokio::select! {
                        status = ended => status,
                        never = keep_reading(reader, gone) => match never {},
                    };
                    drop::<oneshot::Sender<()>>(told);
                    status
                };
                (Box::new(text_of(lines, end)), ended.boxed())
            }
        };
        Ok(Session {
            stdin: Some(stdin),
            stdout: Some(stdout),
            stderr: None,
            terminal,
            ended,
        })
    }
}

/// The connection and, where the container has one, its terminal.
async fn join(socket: &Path) -> Result<(UnixStream, Option<OwnedFd>), StepError> {
    let join = async {
        let stream = UnixStream::connect(socket).await?;
        loop {
            stream.readable().await?;
            match stream.try_io(tokio::io::Interest::READABLE, || receive(&stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                // It has ended, or there are too many.
                Ok((0, _)) => return Err(io::ErrorKind::ConnectionRefused.into()),
                Ok((_, terminal)) => return Ok((stream, terminal)),
            }
        }
    };
    match tokio::time::timeout(LIMIT, join).await {
        Ok(joined) => joined.map_err(StepError::file("connect to", socket)),
        Err(_) => Err(StepError::Timeout {
            what: "joining the terminal".to_owned(),
            limit: LIMIT,
        }),
    }
}

/// How the process `pid` of `instance` ends. Fails where the connection to it is `lost`, and it goes on.
async fn end(
    live: Arc<Live>,
    instance: Instance,
    pid: u32,
    lost: oneshot::Receiver<()>,
) -> io::Result<u8> {
    let mut looks = live.looks();
    let mut told = std::pin::pin!(async {
        loop {
            if let Some(exit) = live.ending(&instance, pid) {
                return exit;
            }
            // Without a sender there is nobody left who could tell.
            if looks.changed().await.is_err() {
                return None;
            }
        }
    });
    let exit = tokio::select! {
        exit = &mut told => exit,
        // Nothing is ever sent: the sender goes with the connection.
        _ = lost => {
            let limit = match live.instances().contains(&instance) {
                true => TOLD_WITHIN,
                false => Duration::ZERO,
            };
            let told = tokio::time::timeout(limit, told).await;
            told.map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))?
        }
    };
    Ok(exit.map_or(u8::MAX, status))
}

fn status(exit: Exit) -> u8 {
    let number = match exit {
        Exit::Status(status) => status,
        Exit::Signal(signal) => BY_SIGNAL + signal,
        Exit::OutOfMemory => BY_SIGNAL + Signal::SIGKILL as i32,
    };
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// A terminal's output. `gone` goes when there is no more.
struct Output {
    reader: OwnedReadHalf,
    gone: Option<oneshot::Sender<()>>,
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut self.reader).poll_read(cx, buffer));
        // A holder that ends with input that nobody takes any more resets the connection.
        if read.is_err() || buffer.filled().len() == before {
            drop(self.gone.take());
        }
        Poll::Ready(Ok(()))
    }
}

/// Keeps `gone` until the other end of the connection is closed, and never returns.
async fn keep_reading(
    mut reader: OwnedReadHalf,
    gone: oneshot::Sender<()>,
) -> std::convert::Infallible {
    let mut ignored = [0; 64];
    while matches!(reader.read(&mut ignored).await, Ok(1..)) {}
    drop(gone);
    std::future::pending().await
}

/// The lines of a log as text, until a little after `end`.
fn text_of(lines: LogStream, end: oneshot::Receiver<()>) -> impl AsyncRead + Send + Unpin {
    let end = async move {
        let _ended = end.await;
        tokio::time::sleep(JOURNAL_LAG).await;
    };
    let texts = lines.map(|line| match line {
        Ok(line) => Ok(io::Cursor::new(line.text + "\n")),
        Err(error) => Err(io::Error::other(error)),
    });
    StreamReader::new(texts.take_until(end.boxed()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[tokio::test]
    async fn a_holder_that_is_not_there_or_lets_nobody_in_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let socket = root.path().join("attach.sock");
        let none = join(&socket).await.unwrap_err().to_string();
        assert!(none.starts_with("cannot connect to"), "{none}");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let close = async { drop(listener.accept().await) };
        let (refused, ()) = tokio::join!(join(&socket), close);
        assert!(matches!(refused.unwrap_err(), StepError::File { .. }));
    }

    #[tokio::test]
    async fn one_whose_place_was_taken_is_left_when_its_terminal_goes() {
        let live = Arc::new(Live::new());
        let (gone, lost) = oneshot::channel();
        let mut end = std::pin::pin!(end(live, Instance::first(&name("web")), 7, lost));
        assert!(end.as_mut().now_or_never().is_none());
        drop(gone);
        let error = end.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn an_end_is_told_as_shells_do() {
        assert_eq!(status(Exit::Status(3)), 3);
        assert_eq!(status(Exit::Signal(15)), 143);
        assert_eq!(status(Exit::OutOfMemory), 137);
    }
}
