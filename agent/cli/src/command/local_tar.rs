//! Files of this machine as tar archives, and archives as files.

use crate::client::{Archive, Outgoing};
use futures_util::{StreamExt, stream};
use hyper::body::Bytes;
use orlop_api::{Fault, FaultKind};
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// So much is sent at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for the other side.
const CHUNKS_KEPT: usize = 4;

fn fault(verb: &str, path: &Path, error: &io::Error) -> Fault {
    let message = format!("cannot {verb} {}: {error}", path.display());
    Fault::new(FaultKind::Usage, message)
}

/// A file, or a folder with all that is below it, with its last name on top. Links are packed as such.
pub(crate) fn pack(from: &Path) -> Result<Outgoing, Fault> {
    // `.` and `a/..` have no last name of their own.
    let named = match from.file_name() {
        Some(_) => from.to_owned(),
        None => from
            .canonicalize()
            .map_err(|error| fault("find", from, &error))?,
    };
    let look = fs::symlink_metadata(&named).map_err(|error| fault("find", from, &error))?;
    let top = PathBuf::from(named.file_name().unwrap_or(".".as_ref()));
    let (sender, receiver) = mpsc::channel(CHUNKS_KEPT);
    tokio::task::spawn_blocking(move || {
        let out = BufWriter::with_capacity(CHUNK, Sender(sender.clone()));
        let mut builder = tar::Builder::new(out);
        builder.follow_symlinks(false);
        let packed = match look.is_dir() {
            true => builder.append_dir_all(&top, &named),
            false => builder.append_path_with_name(&named, &top),
        };
        let done = packed
            .and_then(|()| builder.into_inner())
            .and_then(|mut out| out.flush());
        if let Err(error) = done {
            // Where nobody listens any more, the answer tells why.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    Ok(chunks.boxed())
}

struct Sender(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Receiver(mpsc::Receiver<Bytes>, Bytes);

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.1.is_empty() {
            match self.0.blocking_recv() {
                Some(chunk) => self.1 = chunk,
                None => return Ok(0),
            }
        }
        let taken = self.1.split_to(buffer.len().min(self.1.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

/// Unpacks an archive below `to`, where that is a folder; else the one thing in it becomes `to`. Nothing gets
/// out of there.
pub(crate) async fn unpack(mut archive: Archive, to: &Path, owners: bool) -> Result<(), Fault> {
    let (sender, receiver) = mpsc::channel(CHUNKS_KEPT);
    let target = to.to_owned();
    let work = tokio::task::spawn_blocking(move || unpack_all(receiver, &target, owners));
    let mut broken = None;
    while let Some(chunk) = archive.next().await {
        match chunk {
            Ok(chunk) => {
                // Nobody takes it any more: the other side tells why.
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
            Err(fault) => {
                broken = Some(fault);
                break;
            }
        }
    }
    drop(sender);
    let done = work
        .await
        .map_err(|error| fault("unpack to", to, &io::Error::other(error)))?;
    match broken {
        Some(fault) => Err(fault),
        None => done,
    }
}

fn unpack_all(receiver: mpsc::Receiver<Bytes>, to: &Path, owners: bool) -> Result<(), Fault> {
    let fail = |error: io::Error| fault("unpack to", to, &error);
    let mut archive = tar::Archive::new(Receiver(receiver, Bytes::new()));
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_preserve_ownerships(owners);
    if to.is_dir() {
        return archive.unpack(to).map_err(fail);
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let part = to.with_file_name(name);
    fs::create_dir(&part).map_err(fail)?;
    let unpacked = archive.unpack(&part).and_then(|()| {
        let mut entries = fs::read_dir(&part)?;
        let top = entries.next().transpose()?;
        match (top, entries.next()) {
            (Some(top), None) => fs::rename(top.path(), to),
            // The content of a root, which has no name.
            _ => fs::rename(&part, to),
        }
    });
    // What there is of it is of no use, and after success there is nothing left of it.
    let _ = fs::remove_dir_all(&part);
    unpacked.map_err(fail)
}
