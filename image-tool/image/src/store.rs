//! The store of a node: objects, images and what is known of them, in one directory.
//!
//! ```text
//! <store>/objects/ab/cdef…      objects by fs-verity digest   (composefs)
//! <store>/images/<64 hex>       links to EROFS metadata       (composefs)
//! <store>/orlop/records/<64 hex manifest>.json   what is here, whole
//! <store>/orlop/uki/<64 hex root>.efi            UKIs of OS images
//! <store>/orlop/layers/<64 hex diff_id>          what a layer holds  (`known_layer`)
//! <store>/orlop/partial/<64 hex blob>            downloads that are not finished
//! <store>/orlop/lock            held by whoever adds or removes: one pull, or garbage collection, at
//!                               a time; a scrub keeps both out
//! ```

use crate::atomic_write::atomic_write;
use crate::composefs_store::{ComposefsStore, is_no_space};
use crate::content_store::ContentStore;
use crate::erofs::objects_in;
use crate::record::{ImageRecord, RECORD_FORMAT};
use crate::store_error::StoreError;
use orlop_config::{Digest, ImageRef, RootDigest};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Less than this part of the store's file system free is pressure: as kubelet's image collector begins
/// (`imageGCHighThresholdPercent`).
const MIN_FREE_PERCENT: u128 = 15;

/// Whether objects are protected by fs-verity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verity {
    /// Every object is sealed, and checked by the kernel at each read. Nodes use this.
    Required,
    /// Nothing is sealed: for machines whose kernel lacks fs-verity. Logged as a warning.
    Off,
}

/// A store. Holds no file open and no lock, so that garbage collection can run: each operation
/// opens the repository for itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    verity: Verity,
}

/// How long a lock of the store is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    /// Others may read too.
    Shared,
    /// Something is removed.
    Exclusive,
}

impl Store {
    /// Opens the store in `dir`, and makes it where there is none. `dir`'s parent must exist.
    /// [`Verity::Required`] fails where the file system or the kernel cannot do it.
    pub fn open_or_init(dir: &Path, verity: Verity) -> Result<Self, StoreError> {
        if verity == Verity::Off {
            log::warn!(dir:% = dir.display();
                "the store is NOT protected: fs-verity is off, damaged or forged files go unnoticed");
        }
        let store = Self {
            dir: dir.to_owned(),
            verity,
        };
        ComposefsStore::open_or_init(dir, verity)?;
        for sub in ["records", "uki", "layers", "partial"] {
            let path = store.side(sub);
            fs::create_dir_all(&path)
                .map_err(|source| io_error("make the directory", &path, source))?;
        }
        Ok(store)
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether objects are protected.
    pub fn verity(&self) -> Verity {
        self.verity
    }

    /// The record of an image by its manifest, if the image is here, whole.
    pub fn record(&self, manifest: &Digest) -> Result<Option<ImageRecord>, StoreError> {
        let path = self.record_path(manifest);
        match fs::read(&path) {
            Ok(text) => parse_record(&path, &text).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path, source)),
        }
    }

    /// Whether so little room is left on the store's file system that what nobody needs had better go
    /// before more is fetched.
    pub fn is_short_of_room(&self) -> Result<bool, StoreError> {
        let stat = rustix::fs::statvfs(&self.dir)
            .map_err(|error| io_error("look at", &self.dir, error.into()))?;
        Ok(is_short(stat.f_bavail, stat.f_blocks))
    }

    /// The image that was pulled last by the name of `image`, whatever its digest was.
    pub fn newest_named(&self, image: &ImageRef) -> Result<Option<ImageRecord>, StoreError> {
        let wanted = image.without_digest();
        let mut newest = None;
        for record in self.records()? {
            let name = record.reference.parse::<ImageRef>();
            if name.is_ok_and(|name| name.without_digest() == wanted) {
                let path = self.record_path(&record.manifest);
                let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
                let modified = modified.map_err(|source| io_error("look at", &path, source))?;
                if newest.as_ref().is_none_or(|(time, _)| *time < modified) {
                    newest = Some((modified, record));
                }
            }
        }
        Ok(newest.map(|(_, record)| record))
    }

    /// Every record.
    pub fn records(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let mut records = Vec::new();
        for path in list(&self.side("records"))? {
            if path.extension().is_some_and(|e| e == "json") {
                let text = fs::read(&path).map_err(|source| io_error("read", &path, source))?;
                records.push(parse_record(&path, &text)?);
            }
        }
        Ok(records)
    }

    /// The UKI of an OS image. The file is there if the image's record is.
    pub fn uki_path(&self, root: &RootDigest) -> PathBuf {
        self.side("uki").join(format!("{root}.efi"))
    }

    /// The file that holds an image's EROFS metadata.
    pub fn image_path(&self, root: &RootDigest) -> PathBuf {
        self.object_path(root.as_str())
    }

    /// The files of an image that are objects: absolute path in the image to the object's file.
    /// Files of up to 64 bytes are not objects; they are part of the metadata.
    pub fn objects(&self, root: &RootDigest) -> Result<BTreeMap<PathBuf, PathBuf>, StoreError> {
        let image = self.open()?.read_image(root)?;
        let objects = objects_in(&image).map_err(|why| StoreError::Object {
            verb: "list the objects of an image",
            dir: self.dir.clone(),
            why,
        })?;
        Ok(objects
            .into_iter()
            .map(|(path, object)| (path, self.object_path(&object.to_string())))
            .collect())
    }

    /// Opens the repository for one operation.
    pub(crate) fn open(&self) -> Result<ComposefsStore, StoreError> {
        ComposefsStore::open(&self.dir, self.verity)
    }

    /// Waits for the store's lock; it is held until the file is dropped.
    pub(crate) fn lock(&self, mode: LockMode) -> Result<File, StoreError> {
        let (file, path) = self.lock_file()?;
        let operation = match mode {
            LockMode::Shared => FlockOperation::LockShared,
            LockMode::Exclusive => FlockOperation::LockExclusive,
        };
        flock(&file, operation).map_err(|e| io_error("lock", &path, e.into()))?;
        Ok(file)
    }

    /// Takes the store's lock exclusively; none while somebody else has it.
    pub(crate) fn try_lock(&self) -> Result<Option<File>, StoreError> {
        let (file, path) = self.lock_file()?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(io_error("lock", &path, e.into())),
        }
    }

    fn lock_file(&self) -> Result<(File, PathBuf), StoreError> {
        let path = self.side("lock");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| io_error("open", &path, source))?;
        Ok((file, path))
    }

    /// Writes a record: the last step of an import. Durable on return.
    pub(crate) fn put_record(&self, record: &ImageRecord) -> Result<(), StoreError> {
        let path = self.record_path(&record.manifest);
        let mut text = serde_json::to_vec_pretty(record).map_err(|e| StoreError::Record {
            path: path.clone(),
            why: e.to_string(),
        })?;
        text.push(b'\n');
        atomic_write(&path, &text).map_err(|source| io_error("write", &path, source))
    }

    pub(crate) fn record_path(&self, manifest: &Digest) -> PathBuf {
        self.side("records")
            .join(format!("{}.json", manifest.hex()))
    }

    /// Where a blob is gathered that is not complete, or not imported yet.
    pub(crate) fn partial_path(&self, blob: &Digest) -> PathBuf {
        self.side("partial").join(blob.hex())
    }

    /// A directory or file of ours beside the repository's.
    pub(crate) fn side(&self, name: &str) -> PathBuf {
        self.dir.join("orlop").join(name)
    }

    pub(crate) fn object_path(&self, hex: &str) -> PathBuf {
        self.dir.join("objects").join(&hex[..2]).join(&hex[2..])
    }
}

/// Whether the free part of a file system is below [`MIN_FREE_PERCENT`].
fn is_short(free: u64, total: u64) -> bool {
    u128::from(free) * 100 < u128::from(total) * MIN_FREE_PERCENT
}

/// The paths in a directory of ours.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let fail = |source| io_error("read", dir, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    Ok(paths)
}

/// An I/O error of a file of ours; a full disk is told apart.
pub(crate) fn io_error(verb: &'static str, path: &Path, source: io::Error) -> StoreError {
    if is_no_space(&source) {
        StoreError::NoSpace {
            path: path.to_owned(),
        }
    } else {
        StoreError::Io {
            verb,
            path: path.to_owned(),
            source,
        }
    }
}

fn parse_record(path: &Path, text: &[u8]) -> Result<ImageRecord, StoreError> {
    let bad = |why: String| StoreError::Record {
        path: path.to_owned(),
        why,
    };
    let record: ImageRecord = serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?;
    if record.format == RECORD_FORMAT {
        Ok(record)
    } else {
        Err(bad(format!(
            "format {} is not {RECORD_FORMAT}, the one known here",
            record.format
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_short_of_room_below_15_percent() {
        assert!(is_short(149, 1000));
        assert!(!is_short(150, 1000));
        assert!(!is_short(u64::MAX, u64::MAX));
        assert!(!is_short(0, 0), "nothing is known of it");
    }
}
