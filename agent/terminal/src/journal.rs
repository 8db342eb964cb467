//! What goes to the journal: the terminal's output, with lines as files have them.

use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// So much may wait for the journal before the terminal is not read: what the program writes then waits, as it would at a
/// pipe to the journal.
const LONGEST_WAIT_BYTES: usize = 64 * 1024;
/// So much can be written at once where the kernel says that something can: `PIPE_BUF` of pipes (pipe(7)), and for
/// sockets there is more room then. The descriptor is shared with the OCI runtime, so it stays one that waits.
const AT_ONCE_BYTES: usize = 4096;

/// The unit's standard output.
pub(crate) struct Journal {
    out: Option<OwnedFd>,
    waiting: Vec<u8>,
    /// A CR has come, and whether it ends a line is not known yet.
    returned: bool,
}

impl Journal {
    /// The standard output of this process.
    ///
    /// # Errors
    /// Where it has none.
    pub(crate) fn stdout() -> io::Result<Self> {
        Ok(Self::new(io::stdout().as_fd().try_clone_to_owned()?))
    }

    pub(crate) fn new(out: OwnedFd) -> Self {
        Self {
            out: Some(out),
            waiting: Vec::new(),
            returned: false,
        }
    }

    /// Whether more may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < LONGEST_WAIT_BYTES
    }

    /// Takes what the terminal shows. A terminal ends a line by CR LF.
    pub(crate) fn take(&mut self, shown: &[u8]) {
        if self.out.is_none() {
            return;
        }
        for byte in shown {
            match byte {
                b'\r' => self.returned = true,
                b'\n' => {
                    self.returned = false;
                    self.waiting.push(b'\n');
                }
                other => {
                    if std::mem::take(&mut self.returned) {
                        self.waiting.push(b'\r');
                    }
                    self.waiting.push(*other);
                }
            }
        }
    }

    /// Where something waits to be written, and can be when this is writable.
    pub(crate) fn wanted(&self) -> Option<BorrowedFd<'_>> {
        let out = self.out.as_ref()?;
        (!self.waiting.is_empty()).then(|| out.as_fd())
    }

    /// Writes some of what waits; to be called when [`Self::wanted`] is writable.
    pub(crate) fn write_some(&mut self) {
        let Some(out) = &self.out else { return };
        let part = &self.waiting[..self.waiting.len().min(AT_ONCE_BYTES)];
        match rustix::io::write(out, part) {
            Ok(written) => drop(self.waiting.drain(..written)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // Nobody reads any more. The container goes on without its log.
            Err(_) => {
                self.out = None;
                self.waiting = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn lines_end_as_in_files_however_they_come() {
        for parts in [
            &["one\r\ntwo\r\n10%\r20%\r\n"][..],
            &["one\r", "\ntwo\r\r\n10%", "\r", "20%\r", "\n"],
        ] {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let mut journal = Journal::new(writer.into());
            for part in parts {
                journal.take(part.as_bytes());
            }
            while journal.wanted().is_some() {
                journal.write_some();
            }
            drop(journal);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "one\ntwo\n10%\r20%\n");
        }
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut journal = Journal::new(writer.into());
        drop(reader);
        journal.take(b"lost");
        journal.write_some();
        journal.take(&[b'x'; LONGEST_WAIT_BYTES]);
        assert!(journal.has_room());
        assert!(journal.wanted().is_none());
    }
}
