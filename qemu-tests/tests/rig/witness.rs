//! What watches containers while the OS under them is swapped: an open connection.

use orlop_machines::http::Answer;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// For an update, a gate, and a way back.
const LONGEST_WAIT: Duration = Duration::from_secs(240);
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

/// Time between two requests: new ones come every few milliseconds.
const ASK_EVERY: Duration = Duration::from_millis(3);

/// What came of many requests, each on a connection of its own.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// What was answered, and how often in a row.
    pub(crate) runs: Vec<(String, u64)>,
    /// Every connection that was refused or broke.
    pub(crate) failures: Vec<String>,
}

impl Asked {
    /// What was answered, in its order.
    pub(crate) fn answers(&self) -> Vec<&str> {
        self.runs
            .iter()
            .map(|(answer, _)| answer.as_str())
            .collect()
    }

    fn note(&mut self, answer: io::Result<Answer>) {
        match answer {
            Ok(answer) if answer.status.is_success() => match self.runs.last_mut() {
                Some((last, count)) if *last == answer.body => *count += 1,
                _ => self.runs.push((answer.body, 1)),
            },
            other => self.failures.push(format!("{other:?}")),
        }
    }
}

/// A client that asks again and again, each time on a new connection, until it is told to end.
pub(crate) struct Asker<'scope> {
    asked: Arc<Mutex<Asked>>,
    over: Arc<AtomicBool>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Asker<'scope> {
    pub(crate) fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        ask: impl Fn() -> io::Result<Answer> + Send + 'scope,
    ) -> Self {
        let (asked, over) = (Arc::<Mutex<Asked>>::default(), Arc::<AtomicBool>::default());
        let thread = {
            let (asked, over) = (Arc::clone(&asked), Arc::clone(&over));
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = ask();
                    asked.lock().unwrap().note(answer);
                    thread::sleep(ASK_EVERY);
                }
            })
        };
        Self {
            asked,
            over,
            thread: Some(thread),
        }
    }

    /// The newest answer.
    pub(crate) fn last(&self) -> Option<String> {
        let asked = self.asked.lock().unwrap();
        asked.runs.last().map(|(answer, _)| answer.clone())
    }

    /// Waits until this is answered.
    ///
    /// # Panics
    /// Where that takes too long.
    pub(crate) fn wait_for(&self, answer: &str) {
        let began = Instant::now();
        while self.last().as_deref() != Some(answer) {
            if began.elapsed() > LONGEST_WAIT {
                panic!("no {answer:?} after {:?}", self.asked.lock().unwrap());
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// Ends it: all that it was answered.
    pub(crate) fn end(mut self) -> Asked {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Drop for Asker<'_> {
    /// A test that fails ends its scope: nobody would end the client otherwise.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A client of the app's `/stream` that may be cut off.
pub(crate) struct HeldConnection {
    ended: Arc<AtomicBool>,
}

impl HeldConnection {
    /// Asks for the stream on a connection that is open.
    pub(crate) fn on(mut connection: TcpStream) -> io::Result<Self> {
        connection.set_read_timeout(Some(SILENCE))?;
        connection.write_all(b"GET /stream HTTP/1.1\r\n\r\n")?;
        let ended = Arc::<AtomicBool>::default();
        let told = Arc::clone(&ended);
        let mut lines = BufReader::new(connection).lines();
        // So that it is known to be with whoever answers now.
        lines.next().transpose()?;
        thread::spawn(move || {
            while let Some(Ok(_)) = lines.next() {}
            told.store(true, Ordering::Relaxed);
        });
        Ok(Self { ended })
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// Where that takes too long.
    pub(crate) fn wait_end(&self) {
        let began = Instant::now();
        while self.is_open() {
            assert!(began.elapsed() < LONGEST_WAIT, "it goes on");
            thread::sleep(ASK_EVERY);
        }
    }
}
