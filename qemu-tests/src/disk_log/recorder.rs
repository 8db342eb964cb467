//! The disk that logs what is written to it.

use super::entry::{Action, Entry, LogWriter};
use super::protocol::{self, Command, Request};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

/// Zeroes are written in pieces of so many bytes.
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
/// Data of requests that are taken together at the most, in bytes.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// A disk cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The disk.
    #[error("cannot open the disk {}", .path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The log.
    #[error("cannot write the log {}", .path.display())]
    Log {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket.
    #[error("cannot listen on {}", .path.display())]
    Listen {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Serves a disk for as long as the process lives: a thread of its own, which holds nothing that has
/// to be cleaned up but the socket's name in the machine's folder.
#[derive(Debug)]
pub struct Recorder;

impl Recorder {
    /// Serves the raw image `disk` on `socket`, one machine after another, and logs to `log`, after
    /// what is there. Returns when it listens.
    ///
    /// # Errors
    /// Each variant of [`RecorderError`] is a step.
    pub fn start(disk: &Path, log: &Path, socket: &Path) -> Result<Self, RecorderError> {
        let disk_failed = |source| RecorderError::Disk {
            path: disk.to_owned(),
            source,
        };
        let listen_failed = |source| RecorderError::Listen {
            path: socket.to_owned(),
            source,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .open(disk)
            .map_err(disk_failed)?;
        let disk_bytes = file.metadata().map_err(disk_failed)?.len();
        let log = LogWriter::open(log, disk_bytes).map_err(|source| RecorderError::Log {
            path: log.to_owned(),
            source,
        })?;
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(listen_failed(error)),
            _ => Ok(()),
        }?;
        let listener = UnixListener::bind(socket).map_err(listen_failed)?;
        let mut served = Served {
            file,
            disk_bytes,
            log,
            batch: 0,
        };
        thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || served.serve(&listener))
            .map_err(listen_failed)?;
        Ok(Self)
    }
}

struct Served {
    file: File,
    disk_bytes: u64,
    log: LogWriter,
    batch: u64,
}

impl Served {
    fn serve(&mut self, listener: &UnixListener) {
        for client in listener.incoming() {
            let outcome = client.and_then(|mut client| {
                // QEMU opens the disk a second time while it starts.
                if protocol::handshake(&mut client, self.disk_bytes)? {
                    self.serve_client(&mut client)?;
                }
                Ok(())
            });
            match outcome {
                Ok(()) => {}
                // A machine whose power was cut.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::BrokenPipe
                            | io::ErrorKind::ConnectionReset
                            | io::ErrorKind::UnexpectedEof
                    ) => {}
                // The machine sees a dead disk, and the test that waits for it fails.
                Err(error) => log::error!("the recorded disk has failed: {error}"),
            }
        }
    }

    fn serve_client(&mut self, client: &mut UnixStream) -> io::Result<()> {
        self.batch += 1;
        self.add(Action::PowerOn, false, 0, 0)?;
        while let Some(first) = protocol::read_request(client)? {
            self.batch += 1;
            let mut bytes = first.length as usize;
            let mut requests = vec![first];
            // What is there already was sent before anything of it is answered.
            while bytes < MAX_BATCH_BYTES && rustix::io::ioctl_fionread(&*client)? > 0 {
                let Some(next) = protocol::read_request(client)? else {
                    break;
                };
                bytes += next.length as usize;
                requests.push(next);
            }
            let mut replies = Vec::new();
            for request in requests {
                if !self.carry_out(request, &mut replies)? {
                    return Ok(());
                }
            }
            // On record before the machine can act on the answer.
            self.log.publish()?;
            client.write_all(&replies)?;
        }
        Ok(())
    }

    /// False at the end of the connection.
    fn carry_out(&mut self, request: Request, replies: &mut Vec<u8>) -> io::Result<bool> {
        let Request {
            command,
            durable,
            cookie,
            offset,
            length,
        } = request;
        let end = offset.checked_add(u64::from(length));
        if end.is_none_or(|end| end > self.disk_bytes) {
            return Err(io::Error::other("a request beyond the end of the disk"));
        }
        let mut found = Vec::new();
        let length = u64::from(length);
        match command {
            Command::Read => {
                found = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                self.file.read_exact_at(&mut found, offset)?;
            }
            Command::Write(data) => {
                self.file.write_all_at(&data, offset)?;
                self.add(Action::Write(data), durable, offset, length)?;
            }
            Command::WriteZeroes => {
                self.zero(offset, length)?;
                self.add(Action::Zeroes, durable, offset, length)?;
            }
            Command::Trim => {
                self.zero(offset, length)?;
                self.add(Action::Discard, durable, offset, length)?;
            }
            Command::Flush => self.add(Action::Flush, false, 0, 0)?,
            Command::Disconnect => return Ok(false),
        }
        protocol::add_reply(replies, cookie, &found);
        Ok(true)
    }

    fn zero(&self, mut offset: u64, mut length: u64) -> io::Result<()> {
        while length > 0 {
            let piece = length.min(ZEROES.len() as u64);
            let size = usize::try_from(piece).map_err(io::Error::other)?;
            self.file.write_all_at(&ZEROES[..size], offset)?;
            (offset, length) = (offset + piece, length - piece);
        }
        Ok(())
    }

    fn add(&mut self, action: Action, durable: bool, offset: u64, length: u64) -> io::Result<()> {
        self.log.add(&Entry {
            action,
            durable,
            batch: self.batch,
            offset,
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LogReader, protocol};
    use super::*;
    use std::io::Read;

    /// A client that has shaken hands.
    fn connect(socket: &Path) -> UnixStream {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.read_exact(&mut [0; 18]).unwrap();
        stream.write_all(&3_u32.to_be_bytes()).unwrap();
        // NBD_OPT_GO for the export without a name, asking for nothing.
        let option = [&b"IHAVEOPT"[..], &[0, 0, 0, 7], &[0, 0, 0, 6], &[0; 6]].concat();
        stream.write_all(&option).unwrap();
        let mut reply = [0; 20 + 12 + 20];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply[22..30], (1_u64 << 20).to_be_bytes());
        stream
    }

    fn request(flags: u16, kind: u16, offset: u64, length: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
        bytes.extend(flags.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(77_u64.to_be_bytes());
        bytes.extend(offset.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn ask(stream: &mut UnixStream, request: &[u8], answer: usize) -> Vec<u8> {
        stream.write_all(request).unwrap();
        let mut reply = vec![0; 16 + answer];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply[8..16], 77_u64.to_be_bytes());
        reply.split_off(16)
    }

    #[test]
    fn a_client_reads_back_what_it_wrote_and_the_log_has_every_request_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let [disk, log, socket] = ["disk", "log", "socket"].map(|name| dir.path().join(name));
        File::create(&disk).unwrap().set_len(1 << 20).unwrap();
        Recorder::start(&disk, &log, &socket).unwrap();
        let mut client = connect(&socket);
        ask(&mut client, &request(0, 1, 4096, 1024, &[7; 1024]), 0);
        ask(&mut client, &request(0, 3, 0, 0, &[]), 0);
        // Both are on their way before either is answered.
        let two = [request(1, 1, 0, 512, &[9; 512]), request(0, 3, 0, 0, &[])].concat();
        ask(&mut client, &two, 16);
        ask(&mut client, &request(0, 6, 4096, 512, &[]), 0);
        ask(&mut client, &request(0, 4, 8192, 4096, &[]), 0);
        assert_eq!(ask(&mut client, &request(0, 0, 0, 512, &[]), 512), [9; 512]);
        let read = ask(&mut client, &request(0, 0, 4096, 1024, &[]), 1024);
        assert_eq!(read, [vec![0; 512], vec![7; 512]].concat());

        let mut log = LogReader::open(&log).unwrap();
        let mut seen = Vec::new();
        while let Some(entry) = log.next_entry().unwrap() {
            seen.push((
                entry.action,
                entry.durable,
                entry.batch,
                entry.offset,
                entry.length,
            ));
        }
        let expected = [
            (Action::PowerOn, false, 1, 0, 0),
            (Action::Write(vec![7; 1024]), false, 2, 4096, 1024),
            (Action::Flush, false, 3, 0, 0),
            (Action::Write(vec![9; 512]), true, 4, 0, 512),
            (Action::Flush, false, 4, 0, 0),
            (Action::Zeroes, false, 5, 4096, 512),
            (Action::Discard, false, 6, 8192, 4096),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_request_beyond_the_end_of_the_disk_ends_the_connection_and_is_not_logged() {
        let dir = tempfile::tempdir().unwrap();
        let [disk, log, socket] = ["disk", "log", "socket"].map(|name| dir.path().join(name));
        File::create(&disk).unwrap().set_len(1 << 20).unwrap();
        Recorder::start(&disk, &log, &socket).unwrap();
        let mut client = connect(&socket);
        client
            .write_all(&request(0, 1, 1 << 20, 512, &[1; 512]))
            .unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        assert!(protocol::read_request(&mut &[0; 28][..]).is_err());
        assert_eq!(disk.metadata().unwrap().len(), 1 << 20);
        connect(&socket);
    }
}
