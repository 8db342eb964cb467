//! The loop of the process that holds a far end.

use crate::attacher::Attacher;
use crate::far_end::{FarEnd, Shown};
use crate::journal::Journal;
use crate::watched::Watched;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// So many may have joined at once: as many sessions as the agent lets run.
const MOST_ATTACHERS: usize = 32;
/// So much input may wait for a program that does not read. The rest waits with those who give it.
const LONGEST_INPUT_BYTES: usize = 4096;
/// What a terminal gives at once at the most (N_TTY_BUF_SIZE of the kernel).
const CHUNK: usize = 4096;
/// How long the last words may take to get to the journal and to who has joined.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A far end, and everybody around it.
pub(crate) struct Holder {
    door: UnixListener,
    far_end: FarEnd,
    journal: Journal,
    /// None when the container has ended.
    watched: Option<Watched>,
    attachers: Vec<Attacher>,
    /// Input that the program has not taken yet.
    typed: Vec<u8>,
}

/// Who has something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The OCI runtime brings the terminal.
    Runtime,
    /// The terminal shows something.
    Shown,
    /// The program takes input.
    Typed,
    Journal,
    Door,
    Attacher(usize),
    /// The container, or its OCI runtime, has ended.
    Watched,
}

impl Holder {
    pub(crate) fn new(
        door: UnixListener,
        far_end: FarEnd,
        journal: Journal,
        watched: Watched,
    ) -> Self {
        Self {
            door,
            far_end,
            journal,
            watched: Some(watched),
            attachers: Vec::new(),
            typed: Vec::new(),
        }
    }

    /// Holds the far end until the container has ended and its last words are told. Connections end with `self`.
    pub(crate) fn hold(&mut self) {
        while self.watched.is_some() {
            for (source, flags) in self.wait(None) {
                self.serve(source, flags);
            }
            self.attachers.retain(|attacher| !attacher.is_gone());
            if matches!(self.far_end, FarEnd::Gone) {
                self.typed.clear();
            }
        }
        self.tell_last_words();
    }

    fn tell_last_words(&mut self) {
        let begin = Instant::now();
        let mut buffer = [0; CHUNK];
        loop {
            while self.journal.has_room()
                && let Shown::Bytes(read) = self.far_end.read(&mut buffer)
            {
                self.show(&buffer[..read]);
            }
            let rest = LAST_WORDS.saturating_sub(begin.elapsed());
            let behind = self.attachers.iter().any(Attacher::is_behind);
            if rest.is_zero() || (self.journal.wanted().is_none() && !behind) {
                return;
            }
            for (source, flags) in self.wait(Some(rest)) {
                if matches!(source, Source::Journal | Source::Attacher(_)) {
                    self.serve(source, flags);
                }
            }
            self.attachers.retain(|attacher| !attacher.is_gone());
        }
    }

    /// Everything that is to be waited for.
    fn interests(&self) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let mut all = Vec::with_capacity(self.attachers.len() + 6);
        if let FarEnd::Awaited(listener) = &self.far_end {
            all.push((Source::Runtime, listener.as_fd(), PollFlags::IN));
        }
        if let (Some(terminal), true) = (self.far_end.terminal(), self.journal.has_room()) {
            all.push((Source::Shown, terminal, PollFlags::IN));
        }
        if let (Some(end), false) = (self.far_end.writable(), self.typed.is_empty()) {
            all.push((Source::Typed, end, PollFlags::OUT));
        }
        if let Some(journal) = self.journal.wanted() {
            all.push((Source::Journal, journal, PollFlags::OUT));
        }
        if self.far_end.is_there() && self.watched.is_some() {
            all.push((Source::Door, self.door.as_fd(), PollFlags::IN));
        }
        let has_room = self.typed.len() < LONGEST_INPUT_BYTES;
        for (index, attacher) in self.attachers.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, attacher.gives_input() && has_room);
            flags.set(PollFlags::OUT, attacher.is_behind());
            // One whose input has to wait is not asked whether it has hung up: that would be said again and again.
            if !flags.is_empty() || !attacher.gives_input() {
                all.push((Source::Attacher(index), attacher.handle(), flags));
            }
        }
        // Last: what came before the end is looked at before the end.
        if let Some(watched) = &self.watched {
            all.push((Source::Watched, watched.handle(), PollFlags::IN));
        }
        all
    }

    fn wait(&self, limit: Option<Duration>) -> Vec<(Source, PollFlags)> {
        let interests = self.interests();
        let mut handles: Vec<PollFd<'_>> = interests
            .iter()
            .map(|(_, handle, flags)| PollFd::from_borrowed_fd(*handle, *flags))
            .collect();
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut handles, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            // Of a list of open descriptors the kernel says no but for want of memory, which may come back.
            Err(error) => {
                eprintln!("cannot wait for the terminal, trying again: {error}");
                std::thread::sleep(LAST_WORDS);
            }
        }
        let said = interests.iter().zip(&handles);
        said.map(|((source, _, _), handle)| (*source, handle.revents()))
            .filter(|(_, flags)| !flags.is_empty())
            .collect()
    }

    fn serve(&mut self, source: Source, flags: PollFlags) {
        match source {
            Source::Runtime => self.far_end.take_terminal(),
            Source::Shown => {
                let mut buffer = [0; CHUNK];
                if let Shown::Bytes(read) = self.far_end.read(&mut buffer) {
                    self.show(&buffer[..read]);
                }
            }
            Source::Typed => {
                let done = self.far_end.write(&self.typed);
                self.typed.drain(..done);
            }
            Source::Journal => self.journal.write_some(),
            Source::Door => self.let_in(),
            Source::Attacher(index) => self.listen_to(index, flags),
            Source::Watched => self.watched = self.watched.take().and_then(Watched::next),
        }
    }

    fn show(&mut self, output: &[u8]) {
        self.journal.take(output);
        for attacher in &mut self.attachers {
            attacher.show(output);
        }
    }

    fn let_in(&mut self) {
        let Ok((stream, _)) = self.door.accept() else {
            return;
        };
        if self.attachers.len() >= MOST_ATTACHERS {
            return;
        }
        match Attacher::welcome(stream, self.far_end.terminal()) {
            Ok(attacher) => self.attachers.push(attacher),
            Err(error) => eprintln!("ignoring one who could not join: {error}"),
        }
    }

    fn listen_to(&mut self, index: usize, flags: PollFlags) {
        let room = LONGEST_INPUT_BYTES.saturating_sub(self.typed.len());
        let Some(attacher) = self.attachers.get_mut(index) else {
            return;
        };
        if flags.contains(PollFlags::OUT) {
            attacher.catch_up();
        }
        if attacher.gives_input() && room > 0 && flags.intersects(PollFlags::IN | PollFlags::HUP) {
            let typed = attacher.read(room);
            self.typed.extend(typed);
        }
        if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            attacher.hung_up();
        }
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
