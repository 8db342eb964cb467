//! Copying the image's factory settings into a fresh `/etc`.

use std::fs::{self, DirEntry, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

/// Deepest directory that is copied: the image is trusted, a loop in the copying is not.
const DEPTH_LIMIT: usize = 32;

/// A tree that could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum FactoryError {
    /// A directory could not be listed.
    #[error("cannot read the directory {path}")]
    ReadDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One entry could not be copied.
    #[error("cannot copy {path}")]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tree is deeper than any sane `/etc`.
    #[error("cannot copy {path}: more than {DEPTH_LIMIT} directories deep")]
    TooDeep {
        /// Which.
        path: PathBuf,
    },
}

/// Copies what is in the directory `from` into the existing directory `to`: directories, regular
/// files and symbolic links with their owners and permissions; nothing else exists in a factory
/// tree, so anything else is an error.
///
/// # Errors
/// At the first entry that cannot be copied.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), FactoryError> {
    copy_level(from, to, 0)
}

fn copy_level(from: &Path, to: &Path, depth: usize) -> Result<(), FactoryError> {
    if depth > DEPTH_LIMIT {
        return Err(FactoryError::TooDeep {
            path: from.to_owned(),
        });
    }
    let unreadable = |source| FactoryError::ReadDir {
        path: from.to_owned(),
        source,
    };
    for entry in fs::read_dir(from).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let target = to.join(entry.file_name());
        let is_dir = copy_entry(&entry, &target).map_err(|source| FactoryError::Copy {
            path: entry.path(),
            source,
        })?;
        if is_dir {
            copy_level(&entry.path(), &target, depth + 1)?;
        }
    }
    Ok(())
}

/// Returns whether the entry is a directory, whose content is left to the caller.
fn copy_entry(entry: &DirEntry, target: &Path) -> io::Result<bool> {
    let metadata = entry.metadata()?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(entry.path())?, target)?;
        lchown(target, Some(metadata.uid()), Some(metadata.gid()))?;
        return Ok(false);
    }
    if kind.is_dir() {
        fs::create_dir(target)?;
    } else if kind.is_file() {
        fs::copy(entry.path(), target)?;
    } else {
        return Err(io::Error::other(
            "neither a file, a directory nor a symbolic link",
        ));
    }
    keep_owner_and_mode(target, &metadata)?;
    Ok(kind.is_dir())
}

/// Owner first: changing it clears set-user-id bits.
fn keep_owner_and_mode(target: &Path, metadata: &Metadata) -> io::Result<()> {
    lchown(target, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(target, Permissions::from_mode(metadata.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factory_tree_is_copied_with_modes_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("ssl/private")).unwrap();
        fs::set_permissions(from.join("ssl/private"), Permissions::from_mode(0o700)).unwrap();
        fs::write(from.join("ssl/private/key"), "secret").unwrap();
        fs::set_permissions(from.join("ssl/private/key"), Permissions::from_mode(0o640)).unwrap();
        symlink("../usr/lib/os-release", from.join("os-release")).unwrap();
        fs::create_dir(&to).unwrap();

        copy_tree(&from, &to).unwrap();

        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().mode() & 0o7777;
        assert_eq!(fs::read(to.join("ssl/private/key")).unwrap(), b"secret");
        assert_eq!(
            (mode("ssl/private"), mode("ssl/private/key")),
            (0o700, 0o640)
        );
        assert_eq!(
            fs::read_link(to.join("os-release")).unwrap(),
            Path::new("../usr/lib/os-release")
        );
    }

    #[test]
    fn a_socket_in_a_factory_tree_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.join("s")).unwrap();
        let error = copy_tree(&from, &to).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot copy {}", from.join("s").display())
        );
    }
}
