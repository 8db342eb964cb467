//! Fetching a blob to a file, going on where an earlier try stopped.

use crate::composefs_store::is_no_space;
use crate::limits::STREAM_BUFFER_BYTES;
use crate::pull_error::PullError;
use crate::registry::{Failure, Registry, failure, stream_failure};
use futures_util::StreamExt;
use oci_client::client::BlobResponse;
use orlop_config::Digest;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::time::timeout;

/// A connection that brought at least this much counts as progress, and retries count anew.
const PROGRESS_BYTES: u64 = 64 << 10;

/// A blob to fetch.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    /// What messages call it: `layer 1 of 2`.
    pub(crate) what: String,
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
}

/// Where a download is.
struct Partial {
    path: PathBuf,
    file: File,
    hash: Sha256,
    done_bytes: u64,
}

impl Registry {
    /// Brings `blob` to `path`, whole and with the right digest. `on_bytes` is told how many bytes
    /// are there. What has come stays there when this fails or is dropped, unless it is wrong or
    /// the disk is full.
    pub(crate) async fn fetch(
        &self,
        blob: &Blob,
        path: &Path,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), PullError> {
        match self.fetch_inner(blob, path, on_bytes).await {
            Err(error @ (PullError::NoSpace { .. } | PullError::DigestMismatch { .. })) => {
                if let Err(why) = tokio::fs::remove_file(path).await {
                    log::warn!(path:% = path.display(), why:% = why;
                        "cannot remove a useless download; ignoring, garbage collection will");
                }
                Err(error)
            }
            other => other,
        }
    }

    async fn fetch_inner(
        &self,
        blob: &Blob,
        path: &Path,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), PullError> {
        let mut partial = Partial::open(path, blob.size_bytes)
            .await
            .map_err(|error| self.io(path, None, error))?;
        on_bytes(partial.done_bytes);
        self.check_space(blob, &partial)?;
        self.log_in().await;
        let mut attempts = 0;
        while partial.done_bytes < blob.size_bytes {
            let before = partial.done_bytes;
            attempts += 1;
            match self.go_on(blob, &mut partial, on_bytes).await {
                Ok(()) => {}
                Err(Stopped::Disk(error)) => {
                    let needed = blob.size_bytes.saturating_sub(partial.done_bytes);
                    return Err(self.io(path, Some(needed), error));
                }
                Err(Stopped::Registry(Failure::Retry(why))) => {
                    if partial.done_bytes.saturating_sub(before) >= PROGRESS_BYTES {
                        attempts = 1;
                    }
                    if attempts > self.options.retries {
                        return Err(self.gave_up(blob, &partial, attempts, why));
                    }
                    log::info!(image = self.image.as_str(), done_bytes = partial.done_bytes,
                        why = why.as_str(); "download broke off, going on");
                    tokio::time::sleep(self.backoff(attempts)).await;
                }
                Err(Stopped::Registry(other)) => {
                    return Err(self.error(
                        &format!("{} (blob)", blob.what),
                        Some(&blob.digest),
                        other,
                    ));
                }
            }
        }
        partial
            .finish()
            .await
            .map_err(|error| self.io(path, None, error))?;
        self.check(blob, &partial)
    }

    /// One request, and what it brings.
    async fn go_on(
        &self,
        blob: &Blob,
        partial: &mut Partial,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Stopped> {
        let stall = self.options.stall_timeout;
        let stalled = || Failure::Retry(format!("no byte for {} s", stall.as_secs_f32()));
        let request = self.client.pull_blob_stream_partial(
            &self.reference,
            blob.digest.as_str(),
            partial.done_bytes,
            None,
        );
        let answer = timeout(stall, request)
            .await
            .map_err(|_| stalled())?
            .map_err(failure)?;
        let mut stream = match answer {
            BlobResponse::Partial(stream) => stream.stream,
            BlobResponse::Full(stream) => {
                partial.restart().await?;
                stream.stream
            }
        };
        loop {
            let chunk = match timeout(stall, stream.next()).await.map_err(|_| stalled()) {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) if partial.done_bytes == blob.size_bytes => return Ok(()),
                Ok(None) => {
                    return partial
                        .broke_off(Failure::Retry("it ended early".into()))
                        .await;
                }
                Ok(Some(Err(error))) => return partial.broke_off(stream_failure(error)).await,
                Err(failure) => return partial.broke_off(failure).await,
            };
            if partial.done_bytes + chunk.len() as u64 > blob.size_bytes {
                let got = format!("more than its {} bytes", blob.size_bytes);
                return Err(Failure::Digest {
                    expected: blob.digest.to_string(),
                    got,
                }
                .into());
            }
            partial.add(&chunk).await?;
            on_bytes(partial.done_bytes);
        }
    }

    fn check(&self, blob: &Blob, partial: &Partial) -> Result<(), PullError> {
        let got = format!("sha256:{}", hex::encode(partial.hash.clone().finalize()));
        if got == blob.digest.as_str() {
            return Ok(());
        }
        Err(PullError::DigestMismatch {
            what: format!("{} (blob)", blob.what),
            image: self.image.clone(),
            expected: blob.digest.to_string(),
            got,
        })
    }

    /// Refuses a download that does not fit, before it fills the disk.
    fn check_space(&self, blob: &Blob, partial: &Partial) -> Result<(), PullError> {
        let missing = blob.size_bytes.saturating_sub(partial.done_bytes);
        let stat = rustix::fs::statvfs(&partial.path)
            .map_err(|error| self.io(&partial.path, None, error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= missing {
            return Ok(());
        }
        Err(PullError::NoSpace {
            image: self.image.clone(),
            path: directory_of(&partial.path),
            needed_bytes: Some(missing - free),
        })
    }

    fn gave_up(&self, blob: &Blob, partial: &Partial, attempts: u32, why: String) -> PullError {
        PullError::Interrupted {
            what: blob.what.clone(),
            image: self.image.clone(),
            registry: self.host.clone(),
            done_bytes: partial.done_bytes,
            size_bytes: blob.size_bytes,
            attempts,
            why,
        }
    }

    fn io(&self, path: &Path, needed_bytes: Option<u64>, source: io::Error) -> PullError {
        if is_no_space(&source) {
            let path = directory_of(path);
            PullError::NoSpace {
                image: self.image.clone(),
                path,
                needed_bytes,
            }
        } else {
            PullError::Io {
                verb: "write",
                path: path.to_owned(),
                source,
            }
        }
    }
}

/// Why a request stopped.
enum Stopped {
    Disk(io::Error),
    Registry(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Registry(failure)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl Partial {
    /// Opens what is there and hashes it. More than there should be is thrown away.
    async fn open(path: &Path, size_bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .await?;
        let path = path.to_owned();
        let mut partial = Self {
            path,
            file,
            hash: Sha256::new(),
            done_bytes: 0,
        };
        if partial.file.metadata().await?.len() > size_bytes {
            partial.file.set_len(0).await?;
        }
        let mut buffer = vec![0; STREAM_BUFFER_BYTES];
        loop {
            let n = partial.file.read(&mut buffer).await?;
            if n == 0 {
                return Ok(partial);
            }
            partial.hash.update(&buffer[..n]);
            partial.done_bytes += n as u64;
        }
    }

    async fn add(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk).await?;
        self.hash.update(chunk);
        self.done_bytes += chunk.len() as u64;
        Ok(())
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.finish().await?;
        self.file.set_len(0).await?;
        self.file.rewind().await?;
        self.hash = Sha256::new();
        self.done_bytes = 0;
        Ok(())
    }

    /// Writes out what is buffered, so that a full disk shows here.
    async fn finish(&mut self) -> io::Result<()> {
        self.file.flush().await
    }

    async fn broke_off(&mut self, failure: Failure) -> Result<(), Stopped> {
        self.finish().await?;
        Err(failure.into())
    }
}

fn directory_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}
