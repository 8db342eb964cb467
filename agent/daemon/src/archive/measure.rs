//! How much a folder holds.

use super::ArchiveError;
use super::visit::{Visit, each_below};
use rustix::fs::{AtFlags, FileType, statat};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

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
    each_below(root, &mut |dir, name| {
        let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(Visit::Pass);
        };
        sum.entries += 1;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if is_folder || stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) {
            sum.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK;
        }
        Ok(if is_folder { Visit::Enter } else { Visit::Pass })
    })?;
    Ok(sum)
}
