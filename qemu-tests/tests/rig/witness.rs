//! What watches containers while the OS under them is swapped: an open connection.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing for so long is an end.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Seen {
    lines: u64,
    longest: Duration,
    broken: Option<String>,
}

/// A client of the app's `/stream`, reading from when it is made until it is asked.
pub(crate) struct StreamWitness {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl StreamWitness {
    /// Asks for the stream on a connection that is open.
    pub(crate) fn on(mut connection: TcpStream) -> io::Result<Self> {
        connection.set_read_timeout(Some(SILENCE))?;
        connection.write_all(b"GET /stream HTTP/1.1\r\n\r\n")?;
        let mut lines = BufReader::new(connection).lines();
        // The head of the answer.
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let (seen, over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let thread = {
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            thread::spawn(move || read(lines, &seen, &over))
        };
        Ok(Self { seen, over, thread })
    }

    /// The longest time between two lines so far.
    ///
    /// # Panics
    /// Where the connection has ended or a line is missing.
    pub(crate) fn longest_gap(&self) -> Duration {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.broken, None, "after {} lines", seen.lines);
        seen.longest
    }

    /// How many lines came, and the longest time between two.
    ///
    /// # Panics
    /// As [`Self::longest_gap`].
    pub(crate) fn end(self) -> (u64, Duration) {
        let gap = self.longest_gap();
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let lines = self.seen.lock().unwrap().lines;
        (lines, gap)
    }
}

fn read(lines: impl Iterator<Item = io::Result<String>>, seen: &Mutex<Seen>, over: &AtomicBool) {
    let mut last = Instant::now();
    for line in lines {
        let gap = last.elapsed();
        last = Instant::now();
        let mut seen = seen.lock().unwrap();
        match line {
            Ok(text) if text == seen.lines.to_string() => {
                seen.lines += 1;
                seen.longest = seen.longest.max(gap);
            }
            other => seen.broken = Some(format!("{other:?}")),
        }
        if seen.broken.is_some() || over.load(Ordering::Relaxed) {
            return;
        }
    }
    seen.lock().unwrap().broken = Some("the connection was closed".to_owned());
}
