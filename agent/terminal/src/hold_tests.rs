//! The loop with real terminals, pipes and sockets; the container is a child of the test that sleeps.

use super::*;
use crate::far_end::Terminal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::fs::File;
use std::io::{ErrorKind, IoSliceMut, PipeReader, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);

/// A holder at work, and what is around it.
struct Scene {
    dir: TempDir,
    program: Child,
    log: PipeReader,
    holder: JoinHandle<()>,
}

impl Scene {
    fn new(far_end: FarEnd) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let door = UnixListener::bind(dir.path().join("attach.sock")).unwrap();
        door.set_nonblocking(true).unwrap();
        // Ends when its input does.
        let program = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&program);
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let watched = Watched::new(process, dir.path().join("no-pid"));
        let (log, out) = std::io::pipe().unwrap();
        let mut holder = Holder::new(door, far_end, Journal::new(out.into()), watched);
        let holder = std::thread::spawn(move || holder.hold());
        Self {
            dir,
            program,
            log,
            holder,
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("attach.sock")
    }

    /// Ends the program; the whole log that was not read yet.
    fn end(mut self) -> String {
        drop(self.program.stdin.take());
        self.program.wait().unwrap();
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        self.holder.join().unwrap();
        text
    }
}

/// A terminal whose far end is for the holder; the near one as the program has it.
fn terminal() -> (FarEnd, File) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let near = open_near(&far);
    (FarEnd::Terminal(Terminal::new(far).unwrap()), near)
}

fn open_near(far: &OwnedFd) -> File {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    File::from(ioctl_tiocgptpeer(far, flags).unwrap())
}

/// Joins; the connection and, with a terminal, that.
fn join(socket: &Path) -> (UnixStream, Option<OwnedFd>) {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut first = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let buffers = &mut [IoSliceMut::new(&mut first)];
    recvmsg(&stream, buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let mut all = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut all) => all.next(),
        _ => None,
    });
    let terminal = all.next();
    assert_eq!(&first, if terminal.is_some() { b"t" } else { b"i" });
    (stream, terminal)
}

fn expect(reader: &mut impl Read, text: &str) {
    let mut bytes = vec![0; text.len()];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

#[test]
fn everybody_sees_the_output_and_the_journal_has_its_lines() {
    let (far_end, mut near) = terminal();
    let scene = Scene::new(far_end);
    let (mut one, _) = join(&scene.socket());
    let (mut two, _) = join(&scene.socket());
    near.write_all(b"hello\nworld").unwrap();
    for reader in [&mut one, &mut two] {
        expect(reader, "hello\r\nworld");
    }
    assert_eq!(scene.end(), "hello\nworld");
    // And both are told of the end.
    assert_eq!(one.read(&mut [0]).unwrap(), 0);
    assert_eq!(two.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_typed_arrives_as_on_a_terminal_and_its_size_can_be_set() {
    let (far_end, mut near) = terminal();
    let scene = Scene::new(far_end);
    let (mut stream, handle) = join(&scene.socket());
    stream.write_all(b"ls -x\x7fl\r").unwrap();
    expect(&mut near, "ls -l\n");
    let size = Winsize {
        ws_row: 41,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(handle.unwrap(), size).unwrap();
    assert_eq!(tcgetwinsize(&near).unwrap(), size);
    drop(stream);
    drop(near);
    scene.end();
}

#[test]
fn one_who_does_not_read_is_let_go_and_holds_nobody_up() {
    const TOTAL: usize = 4 << 20;
    let (far_end, mut near) = terminal();
    let mut scene = Scene::new(far_end);
    let (mut slow, _) = join(&scene.socket());
    let writer = std::thread::spawn(move || {
        let line = [&[b'x'; 63][..], b"\n"].concat();
        for _ in 0..TOTAL / line.len() {
            near.write_all(&line).unwrap();
        }
    });
    // All of it comes through, though nobody has read at the other socket.
    std::io::copy(
        &mut (&mut scene.log).take(TOTAL as u64),
        &mut std::io::sink(),
    )
    .unwrap();
    writer.join().unwrap();
    let mut seen = Vec::new();
    slow.read_to_end(&mut seen).unwrap();
    assert!(seen.len() < TOTAL);
    let end = String::from_utf8_lossy(&seen[seen.len() - 50..]).into_owned();
    assert!(
        end.ends_with("\r\n[detached: this end has read too slowly]\r\n"),
        "{end:?}"
    );
    // There is room for another one.
    let (_again, _) = join(&scene.socket());
    scene.end();
}

#[test]
fn a_program_that_does_not_read_stops_nobody_but_who_types() {
    let (reader, writer) = std::io::pipe().unwrap();
    let scene = Scene::new(FarEnd::input(writer.into()).unwrap());
    let (mut fast, none) = join(&scene.socket());
    assert!(none.is_none());
    fast.set_nonblocking(true).unwrap();
    // More than pipe, socket and holder take together would be seen here.
    let mut sent = 0_usize;
    let full = loop {
        match fast.write(&[b'x'; 4096]) {
            Ok(more) => sent += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break sent,
            Err(error) => panic!("{error}"),
        }
    };
    let (_other, _) = join(&scene.socket());
    drop(fast);
    // All that was taken arrives, in spite of the end of the connection.
    let mut arrived = vec![0; full];
    (&reader).read_exact(&mut arrived).unwrap();
    assert!(arrived.iter().all(|byte| *byte == b'x'));
    drop(scene.end());
    assert_eq!((&reader).read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_program_that_has_closed_its_input_is_left_alone() {
    let (reader, writer) = std::io::pipe().unwrap();
    let scene = Scene::new(FarEnd::input(writer.into()).unwrap());
    drop(reader);
    let (mut stream, _) = join(&scene.socket());
    for _ in 0..100 {
        stream.write_all(&[b'x'; 4096]).unwrap();
    }
    scene.end();
    // One who has sent something that nobody reads is told so by a reset.
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_terminal_that_is_closed_and_opened_again_goes_on() {
    let (far_end, near) = terminal();
    let scene = Scene::new(far_end);
    let (mut stream, far) = join(&scene.socket());
    (&near).write_all(b"before\n").unwrap();
    expect(&mut stream, "before\r\n");
    drop(near);
    let mut near = open_near(&far.unwrap());
    near.write_all(b"after\n").unwrap();
    expect(&mut stream, "after\r\n");
    assert_eq!(scene.end(), "before\nafter\n");
}

#[test]
fn a_session_that_ends_takes_neither_its_last_words_nor_the_terminal_along() {
    let (far_end, near) = terminal();
    let scene = Scene::new(far_end);
    let (mut stream, far) = join(&scene.socket());
    // The end of the leader of the session that has the terminal hangs it up for everybody.
    let script = "exec setsid --ctty sh -c 'echo last words'";
    let status = Command::new("sh")
        .args(["-c", script])
        .stdin(near.try_clone().unwrap())
        .stdout(near.try_clone().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    drop(near);
    expect(&mut stream, "last words\r\n");
    let mut near = open_near(&far.unwrap());
    near.write_all(b"and more\n").unwrap();
    expect(&mut stream, "and more\r\n");
    assert_eq!(scene.end(), "last words\nand more\n");
}

#[test]
fn a_paste_comes_whole_to_a_program_that_reads_slowly() {
    const LINES: usize = 2000;
    let (far_end, mut near) = terminal();
    let mut raw = tcgetattr(&near).unwrap();
    raw.make_raw();
    tcsetattr(&near, OptionalActions::Now, &raw).unwrap();
    let scene = Scene::new(far_end);
    let (mut stream, _) = join(&scene.socket());
    let paste: String = (0..LINES).map(|n| format!("line {n}\r")).collect();
    let sent = paste.clone();
    let typist = std::thread::spawn(move || stream.write_all(sent.as_bytes()).map(|()| stream));
    let mut arrived = Vec::new();
    let mut part = [0; 100];
    while arrived.len() < paste.len() {
        let read = near.read(&mut part).unwrap();
        arrived.extend_from_slice(&part[..read]);
    }
    assert_eq!(arrived, paste.as_bytes());
    typist.join().unwrap().unwrap();
    scene.end();
}
