//! Takes away what is mounted at a path.

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::path::Path;

/// The most mounts that interrupted work may have left on top of each other at one path.
const MOST_LAYERS: usize = 64;

/// Unmounts everything at `path`, at once for new users and when they let go for those that use
/// it. Idempotent; a path that is not there is fine.
pub(crate) fn unmount_all(path: &Path) -> rustix::io::Result<()> {
    for _ in 0..MOST_LAYERS {
        match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // No mount point, or no such path.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
