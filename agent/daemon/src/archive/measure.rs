//! How much a folder holds.

use super::ArchiveError;
use super::beneath::{folder, names};
use rustix::fs::{AtFlags, FileType, statat};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// The kernel counts blocks of 512 bytes, whatever the file system's are (stat(2)).
const BLOCK: u64 = 512;

/// What a folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes on disk. A file with several names counts once.
    pub(crate) bytes: u64,
    /// Files, folders and links below it.
    pub(crate) entries: u64,
}

/// Looks at everything below `root`; what comes and goes meanwhile may be counted or not.
pub(crate) fn measure(root: &OwnedFd) -> Result<Measure, ArchiveError> {
    let (mut sum, mut seen) = (Measure::default(), BTreeSet::new());
    let mut folders = vec![PathBuf::new()];
    while let Some(path) = folders.pop() {
        let dir = match folder(root.as_fd(), &path) {
            Ok(dir) => dir,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        for name in names(&dir, &path)? {
            let Ok(stat) = statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            sum.entries += 1;
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_folder {
                folders.push(path.join(&name));
            }
            if is_folder || stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) {
                sum.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK;
            }
        }
    }
    Ok(sum)
}

fn is_gone(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
