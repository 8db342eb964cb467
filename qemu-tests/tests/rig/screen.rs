//! A person at a terminal, with the `orlop` command of this machine in it.

use super::containers::outside;
use super::node::{Node, READY};
use super::tree;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(50);

/// A terminal, and a command in it.
pub(crate) struct Screen {
    far: File,
    near: File,
    child: Child,
    shown: String,
    /// How much of it has been waited for.
    seen: usize,
}

impl Screen {
    /// Runs `orlop` with these arguments for `node`, in a terminal of this many lines and characters a line.
    pub(crate) fn open(node: &Node<'_>, arguments: &[&str], size: (u16, u16)) -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let near = File::from(ioctl_tiocgptpeer(&far, flags).unwrap());
        set_size(&near, size);
        let child = Command::new(tree::program().with_file_name("orlop"))
            .args(arguments)
            .env("ORLOP_SOCKET", outside(node, "/run/orlop/api.sock"))
            .stdin(near.try_clone().unwrap())
            .stdout(near.try_clone().unwrap())
            .stderr(near.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self {
            far: far.into(),
            near,
            child,
            shown: String::new(),
            seen: 0,
        }
    }

    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        self.far.write_all(keys).unwrap();
    }

    /// Gives the terminal another size, of which the kernel would tell a command that it controls.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        set_size(&self.near, size);
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGWINCH).unwrap();
    }

    /// Whether it passes keys on one by one and shows none itself.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.near).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits until this is shown, after what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let begin = Instant::now();
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(begin.elapsed() < READY, "{text:?} in {:?}", self.shown);
            self.look();
        }
    }

    /// Waits for the command's end; its status, and everything that was shown.
    pub(crate) fn wait_exit(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.look();
                assert!(!self.is_raw(), "the terminal is not set back");
                return (status.code(), std::mem::take(&mut self.shown));
            }
            assert!(begin.elapsed() < READY, "no end after {:?}", self.shown);
            self.look();
        }
    }

    fn look(&mut self) {
        let mut handles = [PollFd::new(&self.far, PollFlags::IN)];
        let limit = Timespec::try_from(LOOK).unwrap();
        if poll(&mut handles, Some(&limit)).unwrap() == 0 {
            return;
        }
        let mut buffer = [0; 4096];
        let read = self.far.read(&mut buffer).unwrap();
        self.shown
            .push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that has ended needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &File, (rows, columns): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}
