//! `/dev` of a namespace machine.

use crate::namespace::mounts::{MountError, bind, create_file, make_dir, mount_new};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Devices that do nothing but what a memory device does, taken from the host.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Links that programs expect.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// Group `tty` on Debian.
const TTY_GID: u32 = 5;

/// Fills `dev`, with the host's `terminal` as the console. The console is a terminal of its own,
/// never the host's `/dev/null`: systemd changes the mode of the device node itself.
///
/// # Errors
/// The first thing that cannot be made.
pub(super) fn make_devices(dev: &Path, terminal: &Path) -> Result<(), MountError> {
    mount_new("tmpfs", dev, "mode=0755,size=4m,nr_inodes=64k")?;
    for name in NODES {
        let node = dev.join(name);
        create_file(&node)?;
        bind(&Path::new("/dev").join(name), &node)?;
    }
    for (name, target) in LINKS {
        let link = dev.join(name);
        symlink(target, &link).map_err(|source| MountError::Write { path: link, source })?;
    }
    let pts = dev.join("pts");
    make_dir(&pts)?;
    mount_new(
        "devpts",
        &pts,
        &format!("newinstance,ptmxmode=0666,mode=0620,gid={TTY_GID}"),
    )?;
    let shm = dev.join("shm");
    make_dir(&shm)?;
    mount_new("tmpfs", &shm, "mode=1777")?;
    let console = dev.join("console");
    create_file(&console)?;
    bind(terminal, &console)
}
