//! Between the front doors, which speak of bytes as they come, and threads that pack and unpack.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hyper::body::Bytes;
use std::io::{self, BufWriter, Read, Write};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// So much is sent at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for a slow reader.
const CHUNKS_KEPT: usize = 4;

/// Bytes as they come; an error is the last.
pub(crate) type ByteStream = BoxStream<'static, io::Result<Bytes>>;

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

/// What `work` writes, in a thread of its own, which ends when the stream is dropped. The stream ends with
/// an error where `work` does, so that nobody takes the half for the whole.
pub(crate) fn outgoing(
    work: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> ByteStream {
    let (sender, receiver) = mpsc::channel(CHUNKS_KEPT);
    tokio::task::spawn_blocking(move || {
        let mut writer = BufWriter::with_capacity(CHUNK, Sender(sender.clone()));
        let done = work(&mut writer).and_then(|()| writer.flush());
        if let Err(error) = done {
            log::warn!("a stream is cut short: {error}");
            // Nothing more of it goes out, also when the writer is dropped.
            let _gone = writer.into_parts();
            if sender.blocking_send(Err(error)).is_err() {
                log::debug!("ignoring that whoever read the stream is gone");
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    })
    .boxed()
}

/// Reads a stream from a thread that may block.
pub(crate) struct ByteReader {
    runtime: Handle,
    stream: ByteStream,
    rest: Bytes,
}

impl ByteReader {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(stream: ByteStream) -> Self {
        Self {
            runtime: Handle::current(),
            // Readers look again after the end.
            stream: stream.fuse().boxed(),
            rest: Bytes::new(),
        }
    }
}

impl Read for ByteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let taken = self.rest.split_to(buffer.len().min(self.rest.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_ends_stays_ended_however_often_it_is_read() {
        let once = stream::unfold(Some("abc"), |rest| async move {
            Some((Ok(Bytes::from(rest?)), None))
        });
        let mut reader = ByteReader::new(once.boxed());
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text)?;
            reader.read_to_string(&mut text)?;
            io::Result::Ok(text)
        });
        assert_eq!(read.await.unwrap().unwrap(), "abc");
    }

    #[tokio::test]
    async fn work_that_fails_ends_its_stream_with_the_error() {
        let mut stream = outgoing(|out| {
            out.write_all(b"half")?;
            out.flush()?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(stream.next().await.unwrap().unwrap(), "half");
        assert_eq!(
            stream.next().await.unwrap().unwrap_err().to_string(),
            "no more"
        );
        assert!(stream.next().await.is_none());
    }
}
