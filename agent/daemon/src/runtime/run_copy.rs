//! Copies of programs of the OS, in memory, for processes that live longer than the OS that they were started from. All
//! blocking.
//!
//! A process, or a mount, of the OS's own file would hold an OS that a live swap has put away.

use super::error::StepError;
use orlop_initrd::atomic_write::atomic_write;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Everybody may run it.
const MODE: u32 = 0o755;

/// Sees to it that `copy` is there and is that of the OS that runs. A process that runs an older one
/// keeps it.
///
/// # Errors
/// Where the OS has none, or the copy cannot be written.
pub(super) fn provide(of_os: &Path, copy: &Path) -> Result<(), StepError> {
    static WRITING: Mutex<()> = Mutex::new(());
    // Several containers are set up at once. It guards no data, so a panic spoils nothing.
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = std::fs::read(of_os).map_err(StepError::file("read", of_os))?;
    match std::fs::read(copy) {
        Ok(there) if there == wanted => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StepError::file("read", copy)(error))
        }
        _ => atomic_write(copy, &wanted, MODE).map_err(StepError::file("write", copy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn the_copy_is_that_of_the_os_that_runs_and_is_written_only_when_it_differs() {
        let root = tempfile::tempdir().unwrap();
        let (of_os, copy) = (root.path().join("usr/init"), root.path().join("run/init"));
        let missing = provide(&of_os, &copy).unwrap_err().to_string();
        assert!(missing.contains("usr/init"), "{missing}");
        for path in [&of_os, &copy] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        let inode = || fs::metadata(&copy).unwrap().ino();
        fs::write(&of_os, "one").unwrap();
        provide(&of_os, &copy).unwrap();
        let first = inode();
        provide(&of_os, &copy).unwrap();
        assert_eq!(inode(), first);
        let mode = fs::metadata(&copy).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, MODE);
        // Of the next OS: whoever runs the old one has it open still.
        let held = fs::File::open(&copy).unwrap();
        fs::write(&of_os, "two").unwrap();
        provide(&of_os, &copy).unwrap();
        assert_ne!(inode(), held.metadata().unwrap().ino());
        assert_eq!(fs::read(&copy).unwrap(), b"two");
    }
}
