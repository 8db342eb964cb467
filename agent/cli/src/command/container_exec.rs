//! `orlop container exec`: runs a command in a container.

use super::raw_terminal::{self, RawTerminal};
use super::{Ending, Outcome, container_name};
use crate::client::Client;
use orlop_api::{ExecRequest, Fault, FaultKind, Frame, FrameDecoder, FrameKind, MAX_FRAME_BYTES};
use std::io::{self, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What shells add to a signal's number for an exit status, and two of the numbers (signal(7)).
const BY_SIGNAL: u8 = 128;
const SIGHUP: u8 = 1;
const SIGTERM: u8 = 15;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Give the command this command's input.
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal, this one; -it for a shell.
    #[arg(short, long)]
    tty: bool,
    /// Who it runs as: a user or number of the container, `app`, `1000:1000`.
    #[arg(short, long)]
    user: Option<String>,
    /// Where it runs.
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,
    /// A variable of its environment; may be given more than once.
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The container.
    name: String,
    /// The program, and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) async fn run(client: &Client, options: Options) -> Outcome {
    let name = container_name(&options.name)?;
    let terminal = options.tty.then(RawTerminal::take).transpose()?;
    let mut env = options.env;
    if let (true, Ok(term)) = (options.tty, std::env::var("TERM")) {
        // What is given by hand comes later and counts.
        env.insert(0, format!("TERM={term}"));
    }
    let request = ExecRequest {
        command: options.command,
        user: options.user,
        workdir: options.workdir,
        env,
        stdin: options.interactive,
        terminal: options
            .tty
            .then(|| raw_terminal::size().unwrap_or_default()),
    };
    let path = format!("/v1/containers/{name}/exec");
    let connection = client.upgrade(&path, &request).await?;
    let (reader, writer) = split(connection);
    let input = async {
        // Where the connection has gone, the reader tells.
        let _ = send_input(writer, (options.interactive, options.tty)).await;
        std::future::pending::<()>().await;
    };
    let (mut terminate, mut hang_up) = (
        ending(SignalKind::terminate())?,
        ending(SignalKind::hangup())?,
    );
    let status = tokio::select! {
        status = show_output(reader) => status,
        () = input => Ok(None),
        // Ended by these, it could not set the terminal back.
        _ = terminate.recv() => Ok(Some(BY_SIGNAL + SIGTERM)),
        _ = hang_up.recv() => Ok(Some(BY_SIGNAL + SIGHUP)),
    };
    drop(terminal);
    match status {
        Ok(Some(status)) => Ok(Ending::Exited(status)),
        Ok(None) => Err(lost("it ended before the command did")),
        Err(error) => Err(lost(&error.to_string())),
    }
}

fn lost(why: &str) -> Fault {
    let message = format!("cannot go on with the command: the connection is lost: {why}");
    Fault::new(FaultKind::Transient, message).hint("the command does not outlive its connection")
}

fn ending(kind: SignalKind) -> Result<Signal, Fault> {
    signal(kind).map_err(|error| {
        let message = format!("cannot wait for signals: {error}");
        Fault::new(FaultKind::Internal, message)
    })
}

/// Sends what is typed, and the sizes that the terminal takes on.
async fn send_input(
    mut writer: impl AsyncWrite + Unpin,
    (mut typed, sized): (bool, bool),
) -> io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut sizes = signal(SignalKind::window_change())?;
    let mut buffer = vec![0; MAX_FRAME_BYTES];
    while typed || sized {
        let frame = tokio::select! {
            read = stdin.read(&mut buffer), if typed => {
                let read = read?;
                typed = read > 0;
                Frame::encode(FrameKind::Stdin, &buffer[..read])
            }
            _ = sizes.recv(), if sized => {
                Frame::encode(FrameKind::Resize, &raw_terminal::size()?.encode())
            }
        };
        writer.write_all(&frame).await?;
        writer.flush().await?;
    }
    Ok(())
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
