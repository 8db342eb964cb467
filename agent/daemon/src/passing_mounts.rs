//! The folder in which file systems are mounted for a moment on the way to their place.
//!
//! Before Linux 6.15 an overlay takes no layer that is mounted nowhere, so composefs mounts an image's
//! EROFS in a temporary folder, gives it to the overlay, and detaches it. An agent that is killed in
//! between leaves it there. Its unit makes this folder the one for temporary files, where nothing
//! else is, so that the next agent can tell what was left.

use crate::mount_point::unmount_all;
use crate::paths::Paths;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Removes what an agent that was killed left mounted, and makes the folder. To be called while
/// nothing mounts images. Blocks.
///
/// # Errors
/// Something cannot be unmounted, removed or made; the rest is tried at the next start.
pub fn clear(paths: &Paths) -> io::Result<()> {
    let dir = paths.passing_mounts();
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return fs::create_dir_all(&dir),
        entries => entries?,
    };
    for entry in entries {
        remove(&entry?.path())?;
    }
    Ok(())
}

/// Takes one mount point away. Only an empty folder is removed: never what is mounted in it.
fn remove(place: &Path) -> io::Result<()> {
    // Nothing is mounted there where the agent was killed before or after that.
    unmount_all(place)?;
    fs::remove_dir(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::mount::{MountFlags, mount};

    #[test]
    fn what_was_left_mounted_or_unmounted_is_gone_and_the_folder_is_there() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let dir = paths.passing_mounts();
        clear(&paths).unwrap();
        for name in [".tmpA", ".tmpB"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        // Without the right to mount there is one empty folder more.
        let left = dir.join(".tmpA");
        if mount("none", &left, "tmpfs", MountFlags::empty(), None).is_ok() {
            fs::write(left.join("file"), "of a mounted file system").unwrap();
        }
        clear(&paths).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_empty_is_not_removed() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let kept = paths.passing_mounts().join("folder/file");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, "").unwrap();
        clear(&paths).unwrap_err();
        assert!(kept.exists());
    }
}
