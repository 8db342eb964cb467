//! What a disk has promised to keep, and what it may still lose.
//!
//! The model is that of the standards (ATA, NVMe, virtio): a write that was answered may be lost until
//! a flush that was asked for after that answer is answered itself. Of the writes that may be lost any
//! may be missing; those that are there are whole but the last, which may have some of its sectors.
//! Two writes to the same place are never there in the wrong order, since a disk's cache has one
//! content for a place.

use crate::Outcome;
use crate::disk::Disk;
use orlop_machines::disk_log::{Action, Entry, LogReader};
use std::path::Path;

/// A write that may be lost, and where the log has it.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Entry,
    /// Where the log goes on behind it.
    pub(crate) position: u64,
}

/// A log being read: what is pending at the current place.
#[derive(Debug)]
pub(crate) struct Window {
    log: LogReader,
    pub(crate) pending: Vec<Pending>,
}

/// A flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flush {
    batch: u64,
    /// Where the log goes on behind it.
    pub(crate) position: u64,
}

impl Window {
    /// At the beginning of a log.
    pub(crate) fn open(log: &Path) -> Outcome<Self> {
        Ok(Self {
            log: LogReader::open(log)?,
            pending: Vec::new(),
        })
    }

    /// Where the log is being read.
    pub(crate) fn position(&self) -> u64 {
        self.log.position()
    }

    /// Goes on to the next flush; none at the end of the log.
    pub(crate) fn next_flush(&mut self) -> Outcome<Option<Flush>> {
        while let Some(entry) = self.log.next_entry()? {
            let position = self.log.position();
            match entry.action {
                Action::PowerOn => {}
                Action::Flush => {
                    let batch = entry.batch;
                    return Ok(Some(Flush { batch, position }));
                }
                Action::Write(_) | Action::Zeroes | Action::Discard => {
                    self.pending.push(Pending { entry, position });
                }
            }
        }
        Ok(None)
    }

    /// What a flush makes durable; it is pending no more.
    pub(crate) fn settle(&mut self, flush: Flush) -> Vec<Entry> {
        let all = std::mem::take(&mut self.pending);
        let (settled, left) = all.into_iter().partition(|p| p.entry.batch < flush.batch);
        self.pending = left;
        settled.into_iter().map(|pending| pending.entry).collect()
    }
}

/// Carries out a request.
pub(crate) fn apply(disk: &mut Disk, entry: &Entry) -> Outcome<()> {
    match &entry.action {
        Action::Write(data) => disk.write(entry.offset, data),
        Action::Zeroes | Action::Discard => disk.zero(entry.offset, entry.length),
        Action::Flush | Action::PowerOn => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_machines::disk_log::LogWriter;

    #[test]
    fn a_flush_covers_what_was_answered_before_it_was_asked_for_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(&path, 1 << 20).unwrap();
        let mut add = |action: Action, batch, offset| {
            let length = if action == Action::Flush { 0 } else { 512 };
            let entry = Entry {
                action,
                durable: false,
                batch,
                offset,
                length,
            };
            log.add(&entry).unwrap();
        };
        add(Action::Write(vec![1; 512]), 1, 0);
        // These two were on their way together.
        add(Action::Write(vec![2; 512]), 2, 512);
        add(Action::Flush, 2, 0);
        add(Action::Zeroes, 3, 1024);
        add(Action::Flush, 4, 0);
        log.publish().unwrap();
        let mut window = Window::open(&path).unwrap();
        let mut settled = Vec::new();
        while let Some(flush) = window.next_flush().unwrap() {
            let entries = window.settle(flush);
            settled.push(entries.iter().map(|entry| entry.offset).collect::<Vec<_>>());
        }
        assert_eq!(settled, [vec![0], vec![512, 1024]]);
        assert!(window.pending.is_empty());
    }
}
