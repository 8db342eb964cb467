//! The log file: a header, then one entry after another.
//!
//! All numbers are little-endian. Header: [`MAGIC`], bytes of the disk (u64). Entry: kind (u8), 1 where
//! the request was to be durable by itself (u8), six bytes of nothing, batch (u64), offset (u64), length
//! (u64), and for a write the data. Nothing reads an older format: a log lives as long as one run.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The first bytes of a log.
const MAGIC: &[u8; 8] = b"orlopdl1";
/// Bytes of an entry without its data.
const HEAD_BYTES: usize = 32;
/// The largest write: no disk driver asks for more (NBD's own limit is 32 MiB).
const MAX_WRITE_BYTES: u64 = 64 << 20;

/// What was asked of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Data.
    Write(Vec<u8>),
    /// Zeroes.
    Zeroes,
    /// The range is no longer needed; it reads as zeroes from then on.
    Discard,
    /// Everything of earlier batches is to be durable.
    Flush,
    /// A machine was connected to the disk, at power on.
    PowerOn,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was asked.
    pub action: Action,
    /// Whether it was to be durable by itself before it is answered (FUA).
    pub durable: bool,
    /// The requests that were on their way together have the same number; it counts up.
    pub batch: u64,
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// How much, in bytes.
    pub length: u64,
}

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file.
    #[error("cannot read the log of writes {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else, or damaged.
    #[error("cannot read the log of writes {}: {what} at byte {at}", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: u64,
    },
}

impl Action {
    fn kind(&self) -> u8 {
        match self {
            Self::Write(_) => 1,
            Self::Zeroes => 2,
            Self::Discard => 3,
            Self::Flush => 4,
            Self::PowerOn => 5,
        }
    }

    fn of(kind: u8, data: Vec<u8>) -> Option<Self> {
        Some(match kind {
            1 => Self::Write(data),
            2 => Self::Zeroes,
            3 => Self::Discard,
            4 => Self::Flush,
            5 => Self::PowerOn,
            _ => return None,
        })
    }
}

/// Writes a log.
#[derive(Debug)]
pub struct LogWriter {
    file: BufWriter<File>,
}

impl LogWriter {
    /// Begins the log of a disk of this size, or goes on with it where the file has one already.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path, disk_bytes: u64) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        let fresh = file.metadata()?.len() == 0;
        let mut writer = Self {
            file: BufWriter::new(file),
        };
        if fresh {
            writer.file.write_all(MAGIC)?;
            writer.file.write_all(&disk_bytes.to_le_bytes())?;
        }
        Ok(writer)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let mut head = [0; HEAD_BYTES];
        head[0] = entry.action.kind();
        head[1] = u8::from(entry.durable);
        for (at, number) in [(8, entry.batch), (16, entry.offset), (24, entry.length)] {
            head[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        self.file.write_all(&head)?;
        match &entry.action {
            Action::Write(data) => self.file.write_all(data),
            Action::Zeroes | Action::Discard | Action::Flush | Action::PowerOn => Ok(()),
        }
    }

    /// Hands everything to the system: other processes see it when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn publish(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Reads a log, entry by entry.
#[derive(Debug)]
pub struct LogReader {
    file: BufReader<File>,
    path: PathBuf,
    at: u64,
    disk_bytes: u64,
}

impl LogReader {
    /// Opens a log.
    ///
    /// # Errors
    /// It is none.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|source| LogError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut reader = Self {
            file: BufReader::new(file),
            path: path.to_owned(),
            at: 0,
            disk_bytes: 0,
        };
        let mut head = [0; 16];
        reader.fill(&mut head)?;
        if &head[..8] != MAGIC {
            return Err(reader.damaged("no log begins"));
        }
        reader.disk_bytes = number(&head, 8);
        Ok(reader)
    }

    /// Bytes of the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Where the next entry begins, in bytes of the file.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next entry; none at the end. An entry that was cut off, as by the end of the machine's
    /// supervisor, is the end too: its request was never answered.
    ///
    /// # Errors
    /// The file cannot be read, or has something else.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LogError> {
        let mut head = [0; HEAD_BYTES];
        if !self.fill_or_end(&mut head)? {
            return Ok(None);
        }
        let (offset, length) = (number(&head, 16), number(&head, 24));
        let is_write = head[0] == 1;
        if is_write && length > MAX_WRITE_BYTES {
            return Err(self.damaged("a write that is too large"));
        }
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.disk_bytes)
        {
            return Err(self.damaged("a request beyond the end of the disk"));
        }
        let size = if is_write {
            usize::try_from(length).unwrap_or_default()
        } else {
            0
        };
        let mut data = vec![0; size];
        if !self.fill_or_end(&mut data)? {
            return Ok(None);
        }
        let Some(action) = Action::of(head[0], data) else {
            return Err(self.damaged("an entry of an unknown kind"));
        };
        Ok(Some(Entry {
            action,
            durable: head[1] != 0,
            batch: number(&head, 8),
            offset,
            length,
        }))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), LogError> {
        if self.fill_or_end(buffer)? {
            Ok(())
        } else {
            Err(self.damaged("the file ends"))
        }
    }

    fn fill_or_end(&mut self, buffer: &mut [u8]) -> Result<bool, LogError> {
        match self.file.read_exact(buffer) {
            Ok(()) => {
                self.at += buffer.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(source) => Err(LogError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn damaged(&self, what: &'static str) -> LogError {
        LogError::Damaged {
            path: self.path.clone(),
            what,
            at: self.at,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action, batch: u64, offset: u64, length: u64) -> Entry {
        Entry {
            action,
            durable: batch == 2,
            batch,
            offset,
            length,
        }
    }

    #[test]
    fn a_log_is_read_as_it_was_written_also_when_it_was_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let entries = [
            entry(Action::PowerOn, 0, 0, 0),
            entry(Action::Write(vec![7; 1024]), 1, 512, 1024),
            entry(Action::Zeroes, 2, 0, 4096),
            entry(Action::Discard, 2, 4096, 4096),
            entry(Action::Flush, 3, 0, 0),
        ];
        for half in [&entries[..2], &entries[2..]] {
            let mut log = LogWriter::open(&path, 1 << 20).unwrap();
            for entry in half {
                log.add(entry).unwrap();
            }
            log.publish().unwrap();
        }
        let mut log = LogReader::open(&path).unwrap();
        assert_eq!(log.disk_bytes(), 1 << 20);
        for entry in entries {
            assert_eq!(log.next_entry().unwrap(), Some(entry));
        }
        assert_eq!(log.next_entry().unwrap(), None);
        assert_eq!(log.position(), path.metadata().unwrap().len());
    }

    #[test]
    fn a_log_that_was_cut_off_ends_before_the_entry_that_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(&path, 1 << 20).unwrap();
        log.add(&entry(Action::Write(vec![1; 512]), 1, 0, 512))
            .unwrap();
        log.publish().unwrap();
        let whole = path.metadata().unwrap().len();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(whole - 1)
            .unwrap();
        assert_eq!(LogReader::open(&path).unwrap().next_entry().unwrap(), None);
    }

    #[test]
    fn what_no_recorder_writes_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, [0; 64]).unwrap();
        let told = LogReader::open(&path).unwrap_err().to_string();
        assert!(told.ends_with("no log begins at byte 16"), "{told}");
        std::fs::remove_file(&path).unwrap();
        let mut log = LogWriter::open(&path, 1 << 20).unwrap();
        log.add(&entry(Action::Write(vec![1; 512]), 1, 1 << 20, 512))
            .unwrap();
        log.publish().unwrap();
        let told = LogReader::open(&path)
            .unwrap()
            .next_entry()
            .unwrap_err()
            .to_string();
        assert!(
            told.ends_with("a request beyond the end of the disk at byte 48"),
            "{told}"
        );
    }
}
