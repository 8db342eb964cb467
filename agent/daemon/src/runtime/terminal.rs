//! A terminal that the OCI runtime makes in a container and hands to the agent.

use super::error::StepError;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::net::unix::pipe;

/// The OCI runtime makes a terminal within milliseconds; this is for a loaded machine.
const LIMIT: Duration = Duration::from_secs(30);
/// The runtime sends the terminal's name along, which nobody needs.
const LONGEST_NAME: usize = 4096;

/// Where the OCI runtime sends the terminal to (its `--console-socket`). Its file goes with this.
pub(super) struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// The agent's end of a terminal.
pub(super) struct Terminal {
    /// What is typed.
    pub(super) input: pipe::Sender,
    /// What is shown.
    pub(super) output: pipe::Receiver,
    /// For its size.
    pub(super) handle: OwnedFd,
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::debug!(error:% = error; "ignoring that {} stays", self.path.display());
        }
    }
}

impl ConsoleSocket {
    /// Must be called within a tokio runtime.
    pub(super) fn bind(path: &Path) -> Result<Self, StepError> {
        let listener = UnixListener::bind(path).map_err(StepError::file("make", path))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the terminal.
    pub(super) async fn terminal(&self) -> Result<Terminal, StepError> {
        let receive = async {
            let (stream, _) = self.listener.accept().await?;
            loop {
                stream.readable().await?;
                let received = stream.try_io(tokio::io::Interest::READABLE, || receive(&stream));
                match received {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    received => {
                        let (_, descriptor) = received?;
                        let missing = || io::Error::other("it sent no descriptor");
                        return split(descriptor.ok_or_else(missing)?);
                    }
                }
            }
        };
        match tokio::time::timeout(LIMIT, receive).await {
            Ok(terminal) => terminal.map_err(StepError::file("get a terminal from", &self.path)),
            Err(_) => Err(StepError::Timeout {
                what: "making a terminal".to_owned(),
                limit: LIMIT,
            }),
        }
    }
}

/// A message of a few bytes: how many, and the descriptor that came with it, if one did (unix(7), SCM_RIGHTS).
pub(super) fn receive(stream: &tokio::net::UnixStream) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut name = [0; LONGEST_NAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut name)],
        &mut ancillary,
        flags,
    )?;
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("it sent more than one descriptor"));
    }
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let first = descriptors.next().and_then(|mut all| all.next());
    Ok((message.bytes, first))
}

/// Pipes of tokio will do for anything that can be polled.
fn split(handle: OwnedFd) -> io::Result<Terminal> {
    fcntl_setfl(&handle, fcntl_getfl(&handle)? | OFlags::NONBLOCK)?;
    Ok(Terminal {
        input: pipe::Sender::from_owned_fd_unchecked(handle.try_clone()?)?,
        output: pipe::Receiver::from_owned_fd_unchecked(handle.try_clone()?)?,
        handle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::io::IoSlice;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn what_is_sent_is_the_terminal_and_the_socket_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console.sock");
        let socket = ConsoleSocket::bind(&path).unwrap();
        let sender = UnixStream::connect(socket.path()).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [theirs.as_fd()];
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let name = [IoSlice::new(b"/dev/pts/0")];
        sendmsg(&sender, &name, &mut ancillary, SendFlags::empty()).unwrap();
        let mut terminal = socket.terminal().await.unwrap();
        drop(socket);
        assert!(!path.exists());
        std::io::Write::write_all(&mut &ours, b"shown").unwrap();
        let mut shown = [0; 5];
        terminal.output.read_exact(&mut shown).await.unwrap();
        assert_eq!(&shown, b"shown");
        terminal.input.write_all(b"typed").await.unwrap();
        let mut typed = [0; 5];
        std::io::Read::read_exact(&mut &ours, &mut typed).unwrap();
        assert_eq!(&typed, b"typed");
    }
}
