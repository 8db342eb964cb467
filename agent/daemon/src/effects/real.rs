//! The effects on real file systems.

use super::{EffectError, Effects};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Ends the name of a file that is not complete. The boot loader reads no entry of such a name.
const TEMP_SUFFIX: &str = ".orlop-tmp";

/// Bytes copied at once. A UKI is tens of megabytes and must not be held in memory.
const COPY_CHUNK_BYTES: usize = 128 * 1024;

/// Effects by system calls. Durable on ext4 and FAT when a call returns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

/// The temporary name that stands in for `path` while its content is written, in the same
/// directory, so that the rename stays within one file system.
pub fn temp_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(TEMP_SUFFIX);
    path.with_file_name(name)
}

/// Whether a file name is a temporary one.
pub fn is_temp(name: &str) -> bool {
    name.ends_with(TEMP_SUFFIX)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn sync_dir(dir: &Path) -> Result<(), EffectError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| EffectError::Sync {
            path: dir.to_owned(),
            source,
        })
}

/// Makes `dir` and what is missing above it, each made durable in its parent.
fn make_dirs(dir: &Path) -> Result<(), EffectError> {
    if dir.is_dir() {
        return Ok(());
    }
    make_dirs(parent(dir))?;
    match fs::create_dir(dir) {
        Ok(()) => sync_dir(parent(dir)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(EffectError::MakeDir {
            path: dir.to_owned(),
            source,
        }),
    }
}

fn write_temp(temp: &Path, content: &mut dyn Read) -> io::Result<File> {
    let mut file = File::create(temp)?;
    let mut chunk = vec![0; COPY_CHUNK_BYTES];
    loop {
        match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => file.write_all(&chunk[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.sync_all()?;
    Ok(file)
}

/// Gives a complete file its name, durably. Linux's FAT puts the new name on the disk without size and
/// first cluster; these follow when the file itself is synced, and not with its directory. The
/// directory comes first all the same: else a power cut between the two could leave both names with
/// the same clusters, and removing the temporary one would free them.
fn publish(file: &File, temp: &Path, path: &Path) -> Result<(), EffectError> {
    fs::rename(temp, path).map_err(|source| EffectError::Publish {
        path: path.to_owned(),
        source,
    })?;
    sync_dir(parent(path))?;
    file.sync_all().map_err(|source| EffectError::Sync {
        path: path.to_owned(),
        source,
    })
}

impl Effects for Real {
    fn write(&self, path: &Path, content: &mut dyn Read) -> Result<(), EffectError> {
        let dir = parent(path);
        make_dirs(dir)?;
        let temp = temp_path(path);
        let written = write_temp(&temp, content).map_err(|source| {
            // A full disk must get its space back at once; the sweep at the next start is the
            // second chance, so a failure here is left to it.
            if let Err(error) = fs::remove_file(&temp) {
                log::debug!(
                    "ignoring that {} cannot be removed: {error}",
                    temp.display()
                );
            }
            EffectError::Write {
                path: path.to_owned(),
                source,
            }
        })?;
        publish(&written, &temp, path)
    }

    fn remove(&self, path: &Path) -> Result<(), EffectError> {
        match fs::remove_file(path) {
            Ok(()) => sync_dir(parent(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(EffectError::Remove {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn sweep(&self, dir: &Path) -> Result<(), EffectError> {
        let fail = |source| EffectError::List {
            path: dir.to_owned(),
            source,
        };
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(fail(source)),
        };
        for entry in entries {
            let entry = entry.map_err(fail)?;
            if is_temp(&entry.file_name().to_string_lossy()) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_the_file_and_leaves_no_temporary_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/state.json");
        Real.write(&path, &mut &b"old"[..]).unwrap();
        Real.write(&path, &mut &b"new"[..]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_the_old_file_and_no_temporary_name() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 1 {
                    return Err(io::Error::from(io::ErrorKind::StorageFull));
                }
                buf[0] = b'x';
                Ok(1)
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        Real.write(&path, &mut &b"old"[..]).unwrap();
        let error = Real.write(&path, &mut Broken(0)).unwrap_err();
        assert!(error.is_full(), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_sweep_removes_temporary_names_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("7.json"), b"{}").unwrap();
        fs::write(temp_path(&dir.path().join("8.json")), b"{").unwrap();
        Real.sweep(dir.path()).unwrap();
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["7.json"]);
        Real.sweep(&dir.path().join("missing")).unwrap();
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        Real.remove(&dir.path().join("missing")).unwrap();
    }
}
