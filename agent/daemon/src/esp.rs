//! The EFI system partition, as it is found: entries, UKIs and room. Changing it is the business of
//! the steps of a plan (module `switch`).

use crate::paths::Paths;
use orlop_config::RootDigest;
use orlop_core::boot::EntryFile;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An entry is four short lines. A larger file is not ours, and is not read whole.
const MAX_ENTRY_BYTES: u64 = 64 * 1024;

/// The ESP could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EspError {
    /// A directory or file.
    #[error("cannot read {} on the ESP", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file system's figures.
    #[error("cannot ask for the free space of {}", .path.display())]
    Space {
        /// Of what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The names in a directory; a missing one is empty.
fn names(dir: &Path) -> Result<Vec<String>, EspError> {
    let fail = |source| EspError::Read {
        path: dir.to_owned(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(fail(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(fail)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Every boot entry, ours and others', as the boot loader would read them.
///
/// # Errors
/// [`EspError::Read`].
pub fn entries(paths: &Paths) -> Result<Vec<EntryFile>, EspError> {
    let dir = paths.place(orlop_core::paths::ENTRIES);
    let mut files = Vec::new();
    for name in names(&dir)?
        .into_iter()
        .filter(|name| name.ends_with(".conf"))
    {
        let path = dir.join(&name);
        let fail = |source| EspError::Read {
            path: path.clone(),
            source,
        };
        if path.metadata().map_err(fail)?.len() > MAX_ENTRY_BYTES {
            continue;
        }
        let bytes = fs::read(&path).map_err(fail)?;
        files.push(EntryFile {
            name,
            content: String::from_utf8_lossy(&bytes).into_owned(),
        });
    }
    Ok(files)
}

/// The OS images whose UKI is there, complete: a UKI gets its name when it is.
///
/// # Errors
/// [`EspError::Read`].
pub fn ukis(paths: &Paths) -> Result<BTreeSet<RootDigest>, EspError> {
    let dir = paths.place(orlop_core::paths::UKIS);
    let names = names(&dir)?;
    Ok(names
        .iter()
        .filter_map(|name| name.strip_suffix(".efi")?.parse().ok())
        .collect())
}

/// Bytes that can still be written to the ESP.
///
/// # Errors
/// [`EspError::Space`].
pub fn free_bytes(paths: &Paths) -> Result<u64, EspError> {
    let esp = paths.esp();
    let stat = rustix::fs::statvfs(&esp).map_err(|error| EspError::Space {
        path: esp,
        source: error.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_has_no_entries_and_no_ukis_but_room() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        fs::create_dir_all(paths.esp()).unwrap();
        assert_eq!(entries(&paths).unwrap(), []);
        assert!(ukis(&paths).unwrap().is_empty());
        assert!(free_bytes(&paths).unwrap() > 0);
    }

    #[test]
    fn half_written_files_and_foreign_names_are_neither_entries_nor_ukis() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let root = "ab".repeat(32);
        for (dir, name) in [
            (orlop_core::paths::ENTRIES, "orlop-1.conf".to_owned()),
            (
                orlop_core::paths::ENTRIES,
                "orlop-2.conf.orlop-tmp".to_owned(),
            ),
            (orlop_core::paths::UKIS, format!("{root}.efi")),
            (
                orlop_core::paths::UKIS,
                format!("{}.efi.orlop-tmp", "cd".repeat(32)),
            ),
            (orlop_core::paths::UKIS, "other.efi".to_owned()),
        ] {
            fs::create_dir_all(paths.place(dir)).unwrap();
            fs::write(paths.place(dir).join(name), b"x").unwrap();
        }
        let names: Vec<_> = entries(&paths)
            .unwrap()
            .into_iter()
            .map(|file| file.name)
            .collect();
        assert_eq!(names, ["orlop-1.conf"]);
        assert_eq!(
            ukis(&paths)
                .unwrap()
                .into_iter()
                .map(String::from)
                .collect::<Vec<_>>(),
            [root]
        );
    }
}
