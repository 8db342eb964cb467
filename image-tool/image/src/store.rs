//! The store of a node: objects, images and what is known of them, in one directory.

use crate::record::ImageRecord;
use crate::store_error::StoreError;
use orlop_config::{Digest, RootDigest};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Objects that were read.
    pub checked: u64,
    /// Bytes that were read.
    pub checked_bytes: u64,
    /// Objects that were not what their name says (64 hex digits); they are gone now.
    pub broken: Vec<String>,
    /// Images that lack an object now, or whose metadata is broken: pull them again.
    pub incomplete: Vec<RootDigest>,
}

/// What a garbage collection removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Objects removed.
    pub objects: u64,
    /// Bytes that this freed.
    pub bytes: u64,
    /// Images (records) removed.
    pub images: u64,
    /// Partial downloads removed.
    pub partials: u64,
}

impl Store {
    /// Opens the store in `dir`, and makes it where there is none. `dir`'s parent must exist.
    pub fn open_or_init(dir: &Path, verity: Verity) -> Result<Self, StoreError> {
        let _ = (dir, verity);
        todo!()
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
        let _ = manifest;
        todo!()
    }

    /// Every record.
    pub fn records(&self) -> Result<Vec<ImageRecord>, StoreError> {
        todo!()
    }

    /// The UKI of an OS image. The file is there if the image's record is.
    pub fn uki_path(&self, root: &RootDigest) -> PathBuf {
        self.dir.join("orlop/uki").join(format!("{root}.efi"))
    }

    /// Mounts an image read-only on `target`, by digest.
    pub fn mount(&self, root: &RootDigest, target: &Path) -> Result<(), StoreError> {
        let _ = (root, target);
        todo!()
    }

    /// Mounts an image on `target`, writable: what is written goes to `upper`. `work` is an empty
    /// directory on the same file system as `upper`.
    pub fn mount_with_upper(
        &self,
        root: &RootDigest,
        upper: &Path,
        work: &Path,
        target: &Path,
    ) -> Result<(), StoreError> {
        let _ = (root, upper, work, target);
        todo!()
    }

    /// The files of an image that are objects: absolute path in the image to the object's file.
    /// Files of up to 64 bytes are not objects; they are part of the metadata.
    pub fn objects(&self, root: &RootDigest) -> Result<BTreeMap<PathBuf, PathBuf>, StoreError> {
        let _ = root;
        todo!()
    }

    /// The file that holds an image's EROFS metadata.
    pub fn image_path(&self, root: &RootDigest) -> PathBuf {
        self.dir.join("objects").join(&root.as_str()[..2]).join(&root.as_str()[2..])
    }

    /// Reads every object, and removes those that are not what their name says.
    pub fn scrub(&self) -> Result<ScrubReport, StoreError> {
        todo!()
    }

    /// Removes everything that no image of `keep` needs: objects, records, UKIs, partial
    /// downloads. Waits until no pull is under way.
    pub fn gc(&self, keep: &BTreeSet<RootDigest>) -> Result<GcReport, StoreError> {
        let _ = keep;
        todo!()
    }
}

/// The root digest that one layer (a tar; plain, gzip or zstd, told by its first bytes) makes as an
/// image of its own. Stores nothing: for whoever builds images.
pub fn root_digest_of_layer(layer: &Path) -> Result<RootDigest, crate::LayerError> {
    let _ = layer;
    todo!()
}
