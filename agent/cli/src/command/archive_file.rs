//! Archives on the operator's side: files, stdin and stdout.

use crate::client::{Archive, Outgoing};
use futures_util::{StreamExt, stream};
use hyper::body::Bytes;
use orlop_api::{Fault, FaultKind};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// So much is read at a time.
const CHUNK: usize = 64 * 1024;

fn fault(verb: &str, path: &Path, error: &io::Error) -> Fault {
    let message = format!("cannot {verb} {}: {error}", path.display());
    Fault::new(FaultKind::Usage, message)
}

fn is_dash(path: Option<&Path>) -> bool {
    path.is_none_or(|path| path == Path::new("-"))
}

/// An archive to send, from a file, or from stdin.
pub(crate) async fn source(path: Option<&Path>) -> Result<Outgoing, Fault> {
    match path.filter(|_| !is_dash(path)) {
        None => Ok(chunks(tokio::io::stdin())),
        Some(path) => {
            let file = File::open(path).await;
            Ok(chunks(file.map_err(|error| fault("open", path, &error))?))
        }
    }
}

fn chunks(reader: impl AsyncRead + Send + Unpin + 'static) -> Outgoing {
    stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        let mut buffer = vec![0; CHUNK];
        match reader.read(&mut buffer).await {
            Ok(0) => None,
            Ok(read) => {
                buffer.truncate(read);
                Some((Ok(Bytes::from(buffer)), Some(reader)))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

/// Where an archive goes that comes.
pub(crate) enum Sink {
    /// To stdout.
    Stdout,
    /// To a file, by another name until it is whole.
    File(PathBuf),
}

impl Sink {
    /// Made sure of before anything is asked for.
    pub(crate) fn ready(path: Option<&Path>) -> Result<Self, Fault> {
        match path.filter(|_| !is_dash(path)) {
            Some(path) => Ok(Self::File(path.to_owned())),
            None if io::stdout().is_terminal() => {
                let message = "cannot write an archive to a terminal";
                Err(Fault::new(FaultKind::Usage, message).hint("name a file, or use a pipe"))
            }
            None => Ok(Self::Stdout),
        }
    }

    /// Takes all of it.
    pub(crate) async fn fill(self, mut archive: Archive) -> Result<(), Fault> {
        match self {
            Self::Stdout => {
                let mut out = tokio::io::stdout();
                let name = Path::new("stdout");
                while let Some(chunk) = archive.next().await {
                    let written = out.write_all(&chunk?).await;
                    written.map_err(|error| fault("write to", name, &error))?;
                }
                let flushed = out.flush().await;
                flushed.map_err(|error| fault("write to", name, &error))
            }
            Self::File(path) => {
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(".part");
                let part = path.with_file_name(name);
                let filled = fill_file(&part, archive).await;
                if filled.is_err() {
                    // What there is of it is of no use; where it stays, its name says so.
                    let _ = tokio::fs::remove_file(&part).await;
                }
                filled?;
                let named = tokio::fs::rename(&part, &path).await;
                named.map_err(|error| fault("write", &path, &error))
            }
        }
    }
}

async fn fill_file(part: &Path, mut archive: Archive) -> Result<(), Fault> {
    let fail = |error: io::Error| fault("write", part, &error);
    let mut file = File::create(part).await.map_err(fail)?;
    while let Some(chunk) = archive.next().await {
        file.write_all(&chunk?).await.map_err(fail)?;
    }
    file.sync_all().await.map_err(fail)
}
