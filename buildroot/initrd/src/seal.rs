//! Sealing: fs-verity on every object of a store that was made where the kernel has none.
//!
//! That this happens on the node is safe (docs/adr/0004-first-boot-sealing.md): the digest that
//! counts is on the signed command line, and all others follow from it.

use crate::root::VERITY_SHA256;
use crate::{atomic_write::sync_dir, state};
use composefs_ioctls::fsverity::{EnableVerityError, fs_ioc_enable_verity};
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

/// Merkle tree block, the one that composefs digests are defined with.
const VERITY_BLOCK_BYTES: u32 = 4096;

/// A store that could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A directory of the store could not be listed.
    #[error("cannot read the store's directory {path}")]
    ReadDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An object could not be opened.
    #[error("cannot open the object {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel did not take an object.
    #[error("cannot enable fs-verity on {path}")]
    Enable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: EnableVerityError,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The state partition could not be synced.
    #[error("cannot sync the state partition")]
    Sync(#[source] io::Error),
    /// The marker could not be looked for or removed.
    #[error("cannot remove the marker {path}")]
    Marker {
        /// The marker.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What sealing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The store was sealed already.
    Before,
    /// It is now; so many objects were.
    Now {
        /// Objects that have fs-verity now.
        objects: usize,
    },
}

/// Seals the store on the state partition at `state` if its marker says that it is not.
///
/// Idempotent, and run again from the start when it was cut short: the marker goes when every
/// object is sealed and on disk.
///
/// # Errors
/// At the first object that cannot be sealed; the marker then stays.
pub fn seal(state: &Path) -> Result<Sealed, SealError> {
    let marker = state::unsealed_marker(state);
    match marker.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(Sealed::Before),
        Err(source) => {
            return Err(SealError::Marker {
                path: marker,
                source,
            });
        }
    }
    let objects = seal_objects(&state::objects(state))?;
    // The repository's own metadata: composefs takes its being sealed for "all objects are".
    enable(&state::store(state).join("meta.json"))?;
    sync(state)?;
    fs::remove_file(&marker)
        .and_then(|()| sync_dir(&state::store(state)))
        .map_err(|source| SealError::Marker {
            path: marker,
            source,
        })?;
    Ok(Sealed::Now { objects })
}

/// Hashing is most of the work, so every processor takes a share.
fn seal_objects(objects: &Path) -> Result<usize, SealError> {
    let mut paths = Vec::new();
    for dir in list(objects)? {
        paths.extend(list(&dir)?);
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = paths.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for share in paths.chunks(share) {
            let work = move || share.iter().try_for_each(|path| enable(path));
            let worker = thread::Builder::new().spawn_scoped(scope, work);
            workers.push(worker.map_err(SealError::Thread)?);
        }
        // A panic of a worker is a panic here: PID 1's hook has rebooted by then.
        workers
            .into_iter()
            .try_for_each(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;
    Ok(paths.len())
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, SealError> {
    fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|source| SealError::ReadDir {
            path: dir.to_owned(),
            source,
        })
}

fn enable(path: &Path) -> Result<(), SealError> {
    let file = File::open(path).map_err(|source| SealError::Open {
        path: path.to_owned(),
        source,
    })?;
    match fs_ioc_enable_verity(&file, VERITY_SHA256, VERITY_BLOCK_BYTES) {
        Ok(()) | Err(EnableVerityError::AlreadyEnabled) => Ok(()),
        Err(source) => Err(SealError::Enable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn sync(state: &Path) -> Result<(), SealError> {
    File::open(state)
        .and_then(|dir| rustix::fs::syncfs(&dir).map_err(io::Error::from))
        .map_err(SealError::Sync)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_the_marker_is_left_alone() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(seal(state.path()).unwrap(), Sealed::Before);
    }

    #[test]
    fn a_kernel_without_verity_keeps_the_marker() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("store/objects/ab");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("object"), "data").unwrap();
        let marker = state::unsealed_marker(state.path());
        fs::write(&marker, "").unwrap();
        // tmpfs never has fs-verity; elsewhere this is about the missing meta.json.
        let error = seal(state.path()).unwrap_err();
        assert!(error.to_string().starts_with("cannot "), "{error}");
        assert!(marker.exists());
    }
}
