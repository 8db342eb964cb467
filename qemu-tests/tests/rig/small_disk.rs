//! Small file systems for a node's folders, which can be filled.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{FallocateFlags, fallocate, statvfs, syncfs};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that takes the room.
const FILLER: &str = "filler";

/// A file system in a file, mounted in a mount namespace that the test's thread and the machines
/// that it starts have to themselves: however the test ends, mount and loop device end with it.
pub(crate) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// A file system made by `mkfs` (a program and its first arguments), on the folder `at`.
    pub(crate) fn new(at: &Path, bytes: u64, mkfs: &[&str]) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        fs::create_dir_all(at).unwrap();
        let image = at.with_extension("img");
        File::create(&image).unwrap().set_len(bytes).unwrap();
        run(Command::new(mkfs[0]).args(&mkfs[1..]).arg(&image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(at));
        Self { at: at.to_owned() }
    }

    /// Takes room until only `left` bytes are free.
    pub(crate) fn fill(&self, left: u64) {
        let filler = File::create(self.at.join(FILLER)).unwrap();
        let taken = self.free() - left;
        fallocate(&filler, FallocateFlags::empty(), 0, taken).unwrap();
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.at.join(FILLER)).unwrap();
    }

    /// Free bytes, once what has been removed is free.
    pub(crate) fn free(&self) -> u64 {
        syncfs(File::open(&self.at).unwrap()).unwrap();
        let stat = statvfs(&self.at).unwrap();
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(&self.at, MntFlags::MNT_DETACH).unwrap();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
