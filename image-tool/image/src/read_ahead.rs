//! A stream that a thread of its own reads ahead, so that two processors work on it.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of one piece.
const PIECE_BYTES: usize = 128 << 10;

/// Pieces that are filled at most before somebody reads them. As many again may be empty.
const PIECES_AHEAD: usize = 4;

/// A piece, or what reading it failed with, which is the last then.
type Filled = io::Result<Vec<u8>>;

/// Where the thread puts what it reads.
pub(crate) struct Writer {
    filled: SyncSender<Filled>,
    used: Receiver<Vec<u8>>,
}

/// What the thread has read.
struct Reader {
    filled: Receiver<Filled>,
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
}

/// Runs `produce` in a thread, and `consume` on what it writes; ends when both have.
///
/// # Errors
/// Where no thread can be made.
pub(crate) fn read_ahead<P: Send, T>(
    produce: impl FnOnce(Writer) -> P + Send,
    consume: impl FnOnce(&mut dyn BufRead) -> T,
) -> io::Result<(P, T)> {
    let (filled, to_read) = sync_channel(PIECES_AHEAD);
    let (used, to_fill) = sync_channel(PIECES_AHEAD);
    let writer = Writer {
        filled,
        used: to_fill,
    };
    let mut reader = Reader {
        filled: to_read,
        used,
        piece: Vec::new(),
        position: 0,
    };
    std::thread::scope(|scope| {
        let producer = std::thread::Builder::new()
            .name("read-ahead".to_owned())
            .spawn_scoped(scope, || produce(writer))?;
        let consumed = consume(&mut reader);
        // So that the thread does not wait for somebody to read on.
        drop(reader);
        match producer.join() {
            Ok(produced) => Ok((produced, consumed)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

impl Writer {
    /// Reads `source` to its end. An error goes to the other side too. Whether all of it was read
    /// there: if not, the rest of `source` is left.
    pub(crate) fn write_all(self, source: &mut dyn Read) -> bool {
        loop {
            let used = self.used.try_recv();
            let mut piece = used.unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES));
            piece.clear();
            let read = source.take(PIECE_BYTES as u64).read_to_end(&mut piece);
            if piece.is_empty() && read.is_ok() {
                return true;
            }
            if !piece.is_empty() && self.filled.send(Ok(piece)).is_err() {
                return false;
            }
            if let Err(error) = read {
                self.fail(error);
                return false;
            }
        }
    }

    /// Lets the other side's next read fail.
    pub(crate) fn fail(self, error: io::Error) {
        // Nobody reads on, so nobody misses it.
        drop(self.filled.send(Err(error)));
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.piece.len() {
            self.position = 0;
            let used = std::mem::take(&mut self.piece);
            // The thread makes a new one where it gets none back.
            drop(self.used.try_send(used));
            // It has ended: so has the stream.
            if let Ok(filled) = self.filled.recv() {
                self.piece = filled?;
            }
        }
        Ok(&self.piece[self.position..])
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let here = self.fill_buf()?;
        let n = here.len().min(buf.len());
        buf[..n].copy_from_slice(&here[..n]);
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails after so many bytes.
    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("no more"));
            }
            let n = buf.len().min(self.0);
            buf[..n].fill(7);
            self.0 -= n;
            Ok(n)
        }
    }

    #[test]
    fn all_comes_in_order() {
        let data: Vec<u8> = (0..5_000_000_u32).map(|n| (n >> 3) as u8).collect();
        let (whole, read) = read_ahead(
            |writer| writer.write_all(&mut data.as_slice()),
            |reader| {
                let mut read = Vec::new();
                reader.read_to_end(&mut read).map(|_| read)
            },
        )
        .unwrap();
        assert!(whole);
        assert_eq!(read.unwrap(), data);
    }

    #[test]
    fn a_reader_that_stops_early_stops_the_thread() {
        let mut source = io::repeat(1);
        let (whole, ()) = read_ahead(|writer| writer.write_all(&mut source), |_| ()).unwrap();
        assert!(!whole);
    }

    #[test]
    fn an_error_comes_where_it_happened() {
        let good = 3 * PIECE_BYTES + 5;
        let (whole, read) = read_ahead(
            |writer| writer.write_all(&mut Failing(good)),
            |reader| {
                let mut read = Vec::new();
                (reader.read_to_end(&mut read), read.len())
            },
        )
        .unwrap();
        assert!(!whole);
        assert_eq!(read.0.unwrap_err().to_string(), "no more");
        assert_eq!(read.1, good);
    }
}
