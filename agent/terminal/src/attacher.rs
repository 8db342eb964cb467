//! One who has joined: gets the output, gives input.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

/// So much output may wait for one who reads slowly, beside what the kernel keeps for a socket (some 200 KiB).
const LONGEST_WAIT_BYTES: usize = 64 * 1024;
/// Told to one who has read too slowly, before the connection ends.
const TOO_SLOW: &[u8] = b"\r\n[detached: this end has read too slowly]\r\n";
/// What is sent first: with the terminal, or without one.
const WITH_TERMINAL: &[u8] = b"t";
const WITHOUT_TERMINAL: &[u8] = b"i";

/// A connection.
pub(crate) struct Attacher {
    stream: UnixStream,
    waiting: Vec<u8>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Joined,
    /// It gives no input any more, and still gets the output.
    Watching,
    /// It gets what waits for it, and nothing more.
    Leaving,
    Gone,
}

impl Attacher {
    /// Lets the other end of `stream` in: it gets a byte and, with it, `terminal`, whose size it may set.
    pub(crate) fn welcome(
        stream: UnixStream,
        terminal: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = terminal.into_iter().collect();
        let first = match terminal {
            Some(_) => {
                ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
                WITH_TERMINAL
            }
            None => WITHOUT_TERMINAL,
        };
        let flags = SendFlags::NOSIGNAL;
        sendmsg(&stream, &[IoSlice::new(first)], &mut ancillary, flags)?;
        Ok(Self {
            stream,
            waiting: Vec::new(),
            standing: Standing::Joined,
        })
    }

    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.standing == Standing::Gone
    }

    pub(crate) fn gives_input(&self) -> bool {
        self.standing == Standing::Joined
    }

    /// Whether something waits to be written.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Shows it `output`, now or when it reads again. One that is too far behind is let go.
    pub(crate) fn show(&mut self, output: &[u8]) {
        if matches!(self.standing, Standing::Leaving | Standing::Gone) {
            return;
        }
        let written = match self.is_behind() {
            true => 0,
            false => self.write(output),
        };
        let rest = &output[written..];
        if self.waiting.len() + rest.len() > LONGEST_WAIT_BYTES {
            self.waiting.extend_from_slice(TOO_SLOW);
            self.standing = Standing::Leaving;
        } else {
            self.waiting.extend_from_slice(rest);
        }
    }

    /// Writes what waits, as far as it is taken.
    pub(crate) fn catch_up(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let written = self.write(&waiting);
        self.waiting = waiting;
        self.waiting.drain(..written);
        if self.standing == Standing::Leaving && !self.is_behind() {
            self.standing = Standing::Gone;
        }
    }

    fn write(&mut self, output: &[u8]) -> usize {
        let mut written = 0;
        while written < output.len() {
            match self.stream.write(&output[written..]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.standing = Standing::Gone;
                    return output.len();
                }
            }
        }
        written
    }

    /// Reads at most `room` bytes of its input.
    pub(crate) fn read(&mut self, room: usize) -> Vec<u8> {
        let mut bytes = vec![0; room];
        let read = match self.stream.read(&mut bytes) {
            Ok(0) => {
                self.standing = Standing::Watching;
                0
            }
            Ok(read) => read,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                0
            }
            Err(_) => {
                self.standing = Standing::Gone;
                0
            }
        };
        bytes.truncate(read);
        bytes
    }

    /// The other end is closed. What it has sent is read first.
    pub(crate) fn hung_up(&mut self) {
        if !self.gives_input() {
            self.standing = Standing::Gone;
        }
    }
}
