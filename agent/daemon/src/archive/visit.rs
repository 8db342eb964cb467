//! Everything below a folder, one after the other.

use super::ArchiveError;
use super::beneath::{folder, names};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// What is to be done with what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Look into it: it is a folder.
    Enter,
    /// Go on behind it.
    Pass,
}

/// Shows `look` everything below `root` by its open folder and its name, a folder before what is in it. What
/// comes and goes meanwhile may be shown or not.
///
/// # Errors
/// Of a folder that cannot be read, or what `look` says.
pub(crate) fn each_below(
    root: &OwnedFd,
    look: &mut dyn FnMut(&OwnedFd, &OsStr) -> io::Result<Visit>,
) -> Result<(), ArchiveError> {
    let mut folders = vec![PathBuf::new()];
    while let Some(path) = folders.pop() {
        let dir = match folder(root.as_fd(), &path) {
            Ok(dir) => dir,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        for name in names(&dir, &path)? {
            let below = path.join(&name);
            match look(&dir, &name).map_err(ArchiveError::file("look at", &below))? {
                Visit::Enter => folders.push(below),
                Visit::Pass => {}
            }
        }
    }
    Ok(())
}

fn is_gone(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
