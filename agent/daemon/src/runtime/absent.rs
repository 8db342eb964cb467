//! Sees to it that something is not there. Both are idempotent, and block.

use super::error::StepError;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Removes the file at `path`, if there is one.
pub(super) fn remove_file(path: &Path) -> Result<(), StepError> {
    gone(path, std::fs::remove_file(path))
}

/// Removes the folder at `path` with everything in it, if there is one.
pub(super) fn remove_dir(path: &Path) -> Result<(), StepError> {
    gone(path, std::fs::remove_dir_all(path))
}

fn gone(path: &Path, removed: io::Result<()>) -> Result<(), StepError> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StepError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_fine_and_what_cannot_be_removed_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (file, dir) = (root.path().join("file"), root.path().join("dir"));
        std::fs::write(&file, "").unwrap();
        std::fs::create_dir_all(dir.join("below")).unwrap();
        for _ in 0..2 {
            remove_file(&file).unwrap();
            remove_dir(&dir).unwrap();
            assert!(!file.exists() && !dir.exists());
        }
        let error = remove_file(root.path()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot remove {}", root.path().display()));
    }
}
