//! A connection to a command in a container, or to a container itself: what is typed here goes there, what is shown
//! there is shown here.

use super::detach_keys::DetachKeys;
use super::raw_terminal;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use orlop_api::{Fault, FaultKind, Frame, FrameDecoder, FrameKind, MAX_FRAME_BYTES};
use std::io::{self, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What shells add to a signal's number for an exit status, and two of the numbers (signal(7)).
const BY_SIGNAL: u8 = 128;
const SIGHUP: u8 = 1;
const SIGTERM: u8 = 15;

/// What is sent.
pub(super) struct Input {
    /// Whether stdin is.
    pub(super) typed: bool,
    /// Whether the sizes that the terminal takes on are.
    pub(super) sized: bool,
    /// What ends the session and nothing else, if something does.
    pub(super) detach: Option<DetachKeys>,
}

/// How a session ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the program, and its exit status; or with this command, by a signal.
    Exited(u8),
    /// By the keys for that.
    Detached,
    /// The connection has ended; why, where that is known.
    Lost(String),
}

/// Goes on until the session ends, one way or the other.
///
/// # Errors
/// Where signals cannot be waited for.
pub(super) async fn run(connection: TokioIo<Upgraded>, input: Input) -> Result<End, Fault> {
    let (reader, writer) = split(connection);
    let typing = async {
        match send_input(writer, input).await {
            Ok(true) => {}
            // Where the connection has gone, the reader tells.
            _ => std::future::pending::<()>().await,
        }
    };
    let (mut terminate, mut hang_up) = (
        ending(SignalKind::terminate())?,
        ending(SignalKind::hangup())?,
    );
    Ok(tokio::select! {
        shown = show_output(reader) => match shown {
            Ok(Some(status)) => End::Exited(status),
            Ok(None) => End::Lost("it ended before its time".to_owned()),
            Err(error) => End::Lost(error.to_string()),
        },
        () = typing => End::Detached,
        // Ended by these, it could not set the terminal back.
        _ = terminate.recv() => End::Exited(BY_SIGNAL + SIGTERM),
        _ = hang_up.recv() => End::Exited(BY_SIGNAL + SIGHUP),
    })
}

fn ending(kind: SignalKind) -> Result<Signal, Fault> {
    signal(kind).map_err(|error| {
        let message = format!("cannot wait for signals: {error}");
        Fault::new(FaultKind::Internal, message)
    })
}

/// Sends what is typed, and the sizes that the terminal takes on. Whether that was ended by the keys for it.
async fn send_input(mut writer: impl AsyncWrite + Unpin, input: Input) -> io::Result<bool> {
    let Input {
        mut typed,
        sized,
        mut detach,
    } = input;
    let mut stdin = tokio::io::stdin();
    let mut sizes = signal(SignalKind::window_change())?;
    let mut buffer = vec![0; MAX_FRAME_BYTES / 2];
    while typed || sized {
        let mut detached = false;
        let frame = tokio::select! {
            read = stdin.read(&mut buffer), if typed => {
                let read = read?;
                typed = read > 0;
                match &mut detach {
                    Some(keys) if typed => {
                        let passed = keys.pass(&buffer[..read]);
                        detached = passed.detached;
                        // An empty frame is the end of the input.
                        if passed.bytes.is_empty() {
                            if detached { return Ok(true) }
                            continue;
                        }
                        Frame::encode(FrameKind::Stdin, &passed.bytes)
                    }
                    _ => Frame::encode(FrameKind::Stdin, &buffer[..read]),
                }
            }
            _ = sizes.recv(), if sized => {
                Frame::encode(FrameKind::Resize, &raw_terminal::size()?.encode())
            }
        };
        writer.write_all(&frame).await?;
        writer.flush().await?;
        if detached {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The exit status; none where the connection ended without one.
async fn show_output(mut reader: impl AsyncRead + Unpin) -> io::Result<Option<u8>> {
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; MAX_FRAME_BYTES];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        decoder.push(&buffer[..read]);
        while let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
            match frame.kind {
                FrameKind::Stdout => show(&mut io::stdout().lock(), &frame.content)?,
                FrameKind::Stderr => show(&mut io::stderr().lock(), &frame.content)?,
                FrameKind::Exit => return Ok(Some(frame.content.first().copied().unwrap_or(1))),
                FrameKind::Stdin | FrameKind::Alive | FrameKind::Resize => {}
            }
        }
    }
}

fn show(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}
