//! `orlop container exec`: runs a command in a container.

use super::{Ending, Outcome, container_name};
use crate::client::Client;
use orlop_api::{ExecRequest, Fault, FaultKind, Frame, FrameDecoder, FrameKind, MAX_FRAME_BYTES};
use std::io::{self, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Give the command this command's input.
    #[arg(short, long)]
    interactive: bool,
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
    let request = ExecRequest {
        command: options.command,
        user: options.user,
        workdir: options.workdir,
        env: options.env,
        stdin: options.interactive,
    };
    let path = format!("/v1/containers/{name}/exec");
    let connection = client.upgrade(&path, &request).await?;
    let (reader, writer) = split(connection);
    let input = async {
        if options.interactive {
            // Where the connection has gone, the reader tells.
            let _ = send_input(writer).await;
        } else {
            // Dropped, it would end nothing, but be of no use either.
            drop(writer);
        }
        std::future::pending::<()>().await;
    };
    let status = tokio::select! {
        status = show_output(reader) => status,
        () = input => Ok(None),
    };
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

async fn send_input(mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; MAX_FRAME_BYTES];
    loop {
        let read = stdin.read(&mut buffer).await?;
        writer
            .write_all(&Frame::encode(FrameKind::Stdin, &buffer[..read]))
            .await?;
        writer.flush().await?;
        if read == 0 {
            return Ok(());
        }
    }
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
                FrameKind::Stdin | FrameKind::Alive => {}
            }
        }
    }
}

fn show(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}
