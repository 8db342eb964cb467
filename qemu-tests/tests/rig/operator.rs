//! A person with the `orlop` command on the node, and a look at what the node has on disk.

use super::node::Node;
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::SystemTime;

/// What a command said, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Said {
    /// The error and its hints; lines of progress before them are left out.
    pub(crate) fn error(&self) -> &str {
        let start = self.err.find("error: ").unwrap_or_default();
        &self.err[start..]
    }
}

/// A file: its path, size and when it was written.
pub(crate) type Seen = (PathBuf, u64, SystemTime);

impl Node<'_> {
    /// Runs `orlop` on the node as root.
    pub(crate) fn orlop(&self, arguments: &[&str]) -> Said {
        self.say(&[&["orlop"], arguments].concat())
    }

    /// Runs a program on the node as root.
    pub(crate) fn say(&self, command: &[&str]) -> Said {
        self.machine.exec(command).unwrap().into()
    }

    /// Puts a file into the node's `/run`, and gives its path there.
    pub(crate) fn put(&self, name: &str, text: &str) -> String {
        let path = format!("/run/{name}");
        fs::write(self.outside(&path), text).unwrap();
        path
    }

    /// What is in a file of the node.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.outside(path)).unwrap()
    }

    /// Whether the node has a file.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.outside(path).exists()
    }

    /// A setting of the node's network namespace, `/proc/sys/net/…`: the kernel shows each reader
    /// those of the reader's own.
    pub(crate) fn setting(&self, path: &str) -> String {
        let init = self.machine.status().unwrap().init.unwrap();
        let netns = File::open(format!("/proc/{init}/ns/net")).unwrap();
        let read = || {
            setns(&netns, CloneFlags::CLONE_NEWNET).unwrap();
            fs::read_to_string(path).unwrap()
        };
        // The namespace is the thread's alone, and goes with it.
        let text = thread::scope(|scope| scope.spawn(read).join().unwrap());
        text.trim().to_owned()
    }

    /// Where the host has a file of the node.
    fn outside(&self, path: &str) -> PathBuf {
        let init = self.machine.status().unwrap().init.unwrap();
        PathBuf::from(format!("/proc/{init}/root{path}"))
    }

    /// Every file of the agent's records and of the ESP: the same as long as nothing is changed.
    pub(crate) fn records(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        for folder in ["state/orlop", "efi"] {
            look(&self.machine.dir().join(folder), &mut seen);
        }
        seen.sort();
        assert!(seen.len() > 3, "{seen:?}");
        seen
    }
}

fn look(folder: &Path, seen: &mut Vec<Seen>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = path.metadata().unwrap();
        if data.is_dir() {
            look(&path, seen);
        } else {
            seen.push((path, data.len(), data.modified().unwrap()));
        }
    }
}
