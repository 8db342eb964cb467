//! Paths below an open folder, resolved by the kernel so that none leads out of it.

use super::ArchiveError;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// No link on the way, not even one that stays below the folder.
const STRICT: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// Opens a folder of the machine.
pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd, ArchiveError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(ArchiveError::file("open", path))
}

/// Opens the folder `path` below `root`, `.` for itself.
pub(super) fn folder(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, ArchiveError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    openat2(root, or_dot(path), flags, Mode::empty(), STRICT)
        .map_err(ArchiveError::file("open", path))
}

/// A handle of what is at `path` below `root`, which is not opened: of a link, the link itself.
pub(super) fn handle(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, ArchiveError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(
        root,
        or_dot(path),
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH,
    )
    .map_err(ArchiveError::file("open", path))
}

fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// An archive's path without what leads nowhere: `/a/./b` is `a/b`.
///
/// # Errors
/// `Outside` for one with `..`.
pub(super) fn normal(path: &Path) -> Result<PathBuf, ArchiveError> {
    let mut kept = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => kept.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let path = path.to_owned();
                return Err(ArchiveError::Outside { path });
            }
        }
    }
    Ok(kept)
}

/// A path's folder and its last name.
pub(crate) fn parted(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

/// The names in a folder, in order.
pub(super) fn names(dir: &OwnedFd, path: &Path) -> Result<Vec<OsString>, ArchiveError> {
    use std::os::unix::ffi::OsStrExt as _;
    let entries = rustix::fs::Dir::read_from(dir.as_fd());
    let mut names = Vec::new();
    for entry in entries.map_err(ArchiveError::file("list", path))? {
        let entry = entry.map_err(ArchiveError::file("list", path))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_an_archive_stays_below_its_folder() {
        for (path, expected) in [
            ("a/b", Some("a/b")),
            ("/a/./b/", Some("a/b")),
            ("./", Some("")),
            ("a/../b", None),
            ("..", None),
        ] {
            let normal = normal(Path::new(path)).ok();
            assert_eq!(normal.as_deref(), expected.map(Path::new), "{path}");
        }
    }
}
