//! Writes a whole file or nothing of it.

use super::error::StepError;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes `path` hold `bytes` with `mode`, replacing what was there. Returns after fsync of the file
/// and of its directory; a power failure leaves the old file or the new one.
pub(super) fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StepError> {
    let temporary = temporary_beside(path);
    let fail = |source| StepError::File { verb: "write", path: path.to_owned(), source };
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(fail)
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}
