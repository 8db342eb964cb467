//! The small init that is the first process of containers with `init = true`. All blocking.
//!
//! They get a copy in memory, which all share: a mount of the OS's own file would hold an OS that a live
//! swap has put away.

use super::error::StepError;
use super::places::Places;
use orlop_initrd::atomic_write::atomic_write;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

/// Where it is in a container: always a file system of the container's own.
pub(super) const INSIDE: &str = "/dev/init";
/// Everybody may run it.
const MODE: u32 = 0o755;

/// Sees to it that the copy is there and is that of the OS that runs. A process that runs an older one
/// keeps it.
///
/// # Errors
/// Where the OS has none, or the copy cannot be written.
pub(super) fn provide(places: &Places) -> Result<(), StepError> {
    static WRITING: Mutex<()> = Mutex::new(());
    // Several containers are set up at once. It guards no data, so a panic spoils nothing.
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let (of_os, copy) = (&places.os_init, places.init_copy());
    let wanted = std::fs::read(of_os).map_err(StepError::file("read", of_os))?;
    match std::fs::read(&copy) {
        Ok(there) if there == wanted => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StepError::file("read", &copy)(error))
        }
        _ => atomic_write(&copy, &wanted, MODE).map_err(StepError::file("write", &copy)),
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
        let places = Places::under(root.path());
        let missing = provide(&places).unwrap_err().to_string();
        assert!(missing.contains("usr/bin/catatonit"), "{missing}");
        for dir in [places.os_init.parent().unwrap(), &places.run] {
            fs::create_dir_all(dir).unwrap();
        }
        let inode = || fs::metadata(places.init_copy()).unwrap().ino();
        fs::write(&places.os_init, "one").unwrap();
        provide(&places).unwrap();
        let first = inode();
        provide(&places).unwrap();
        assert_eq!(inode(), first);
        let mode = fs::metadata(places.init_copy()).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, MODE);
        // Of the next OS: whoever runs the old one has it open still.
        let held = fs::File::open(places.init_copy()).unwrap();
        fs::write(&places.os_init, "two").unwrap();
        provide(&places).unwrap();
        assert_ne!(inode(), held.metadata().unwrap().ino());
        assert_eq!(fs::read(places.init_copy()).unwrap(), b"two");
    }
}
