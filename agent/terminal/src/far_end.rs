//! The far end: a terminal's, or a pipe's that the program reads from.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// The OCI runtime connects and sends the terminal at once; this is for a loaded machine.
const LIMIT: Duration = Duration::from_secs(30);
/// The runtime sends the terminal's name along, which nobody needs.
const LONGEST_NAME: usize = 4096;

/// What this process holds.
pub(crate) enum FarEnd {
    /// The terminal has yet to come from the OCI runtime.
    Awaited(UnixListener),
    Terminal(Terminal),
    /// The program reads what is written here. All else of it is none of this.
    Input(OwnedFd),
    /// The program has closed its input, or its terminal is beyond repair.
    Gone,
}

/// A terminal.
pub(crate) struct Terminal {
    far: OwnedFd,
    /// Kept open: a program may close its terminal and open it again, as an init does, and without this the
    /// terminal would be taken for one that hung up meanwhile.
    near: OwnedFd,
}

/// What came of reading a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing, and nothing will be.
    End,
}

impl FarEnd {
    /// The end of a pipe that is written to.
    pub(crate) fn input(pipe: OwnedFd) -> io::Result<Self> {
        make_nonblocking(&pipe)?;
        Ok(Self::Input(pipe))
    }

    /// Whether somebody can join already.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Self::Awaited(_))
    }

    /// The terminal, where it is one.
    pub(crate) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Terminal(terminal) => Some(terminal.far.as_fd()),
            _ => None,
        }
    }

    /// What can be written to.
    pub(crate) fn writable(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Terminal(terminal) => Some(terminal.far.as_fd()),
            Self::Input(pipe) => Some(pipe.as_fd()),
            Self::Awaited(_) | Self::Gone => None,
        }
    }

    /// Somebody has connected: takes the terminal from the OCI runtime.
    pub(crate) fn take_terminal(&mut self) {
        let Self::Awaited(listener) = self else {
            return;
        };
        match receive(listener).and_then(Terminal::new) {
            Ok(terminal) => *self = Self::Terminal(terminal),
            Err(error) => eprintln!("cannot get the terminal from the OCI runtime: {error}"),
        }
    }

    /// Reads what the terminal shows.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Shown {
        let Self::Terminal(terminal) = self else {
            return Shown::End;
        };
        match rustix::io::read(&terminal.far, &mut *buffer) {
            Ok(0) => Shown::Nothing,
            Ok(read) => Shown::Bytes(read),
            Err(Errno::AGAIN | Errno::INTR) => Shown::Nothing,
            // A session that had it has ended, which closes every near end that is open (tty_ioctl(4), vhangup(2)).
            Err(_) => match terminal.open_near() {
                Ok(near) => {
                    drop(std::mem::replace(&mut terminal.near, near));
                    Shown::Nothing
                }
                Err(error) => {
                    eprintln!("the terminal has hung up, and cannot be opened again: {error}");
                    *self = Self::Gone;
                    Shown::End
                }
            },
        }
    }

    /// Writes some of `typed`; the number of bytes that are done with.
    pub(crate) fn write(&mut self, typed: &[u8]) -> usize {
        let Some(end) = self.writable() else {
            return typed.len();
        };
        match rustix::io::write(end, typed) {
            Ok(written) => written,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => {
                // A terminal is looked at when it is read.
                if matches!(self, Self::Input(_)) {
                    *self = Self::Gone;
                }
                typed.len()
            }
        }
    }
}

impl Terminal {
    pub(crate) fn new(far: OwnedFd) -> io::Result<Self> {
        make_nonblocking(&far)?;
        let near = open_near(&far)?;
        Ok(Self { far, near })
    }

    fn open_near(&self) -> io::Result<OwnedFd> {
        open_near(&self.far)
    }
}

/// Opens the near end, wherever its name is.
fn open_near(far: &OwnedFd) -> io::Result<OwnedFd> {
    // Not as the terminal that controls this process.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    Ok(ioctl_tiocgptpeer(far, flags)?)
}

fn make_nonblocking(end: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?)
}

/// The one descriptor of a message (unix(7), SCM_RIGHTS).
fn receive(listener: &UnixListener) -> io::Result<OwnedFd> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut name = [0; LONGEST_NAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut name)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let first = descriptors.next().and_then(|mut all| all.next());
    first.ok_or_else(|| io::Error::other("it sent no descriptor"))
}
