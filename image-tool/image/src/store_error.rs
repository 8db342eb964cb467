//! Why the store could not do something.

use crate::kind::ErrorKind;
use orlop_config::RootDigest;
use std::path::PathBuf;

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The repository.
    #[error("cannot open the store {}: {why}", .dir.display())]
    Open {
        /// The store's directory.
        dir: PathBuf,
        /// The whole chain of reasons.
        why: String,
    },
    /// The file system cannot protect objects, or the store was made without.
    #[error(
        "cannot open the store {} with fs-verity: {why}; it needs an ext4 file system with the \
         `verity` feature and a kernel with fs-verity",
        .dir.display()
    )]
    NoVerity {
        /// The store's directory.
        dir: PathBuf,
        /// What the kernel said.
        why: String,
    },
    /// A file beside the objects.
    #[error("cannot {verb} {}", .path.display())]
    Io {
        /// `read`, `write`, `remove`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file system is full.
    #[error("cannot write {}: no space left on its file system", .path.display())]
    NoSpace {
        /// The file or directory.
        path: PathBuf,
    },
    /// A record that cannot be read.
    #[error("cannot read the record {}: {why}; remove it and pull the image again", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// An operation on an object.
    #[error("cannot {verb} in the store {}: {why}", .dir.display())]
    Object {
        /// What was to be done: `store an object`.
        verb: &'static str,
        /// The store's directory.
        dir: PathBuf,
        /// The whole chain of reasons.
        why: String,
    },
    /// No image of that digest.
    #[error("cannot find image {root} in the store {}: pull it first", .dir.display())]
    NoImage {
        /// The image.
        root: RootDigest,
        /// The store's directory.
        dir: PathBuf,
    },
    /// The metadata of an image is not what its digest says.
    #[error(
        "cannot trust image {root}: its metadata has digest {got}; scrub the store and pull it again"
    )]
    DamagedImage {
        /// The image.
        root: RootDigest,
        /// The digest that it has.
        got: String,
    },
    /// A mount.
    #[error("cannot mount image {root} on {}: {why}", .target.display())]
    Mount {
        /// The image.
        root: RootDigest,
        /// The mount point.
        target: PathBuf,
        /// The whole chain of reasons.
        why: String,
    },
}

impl StoreError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { .. } | Self::Io { .. } | Self::Object { .. } | Self::Mount { .. } => {
                ErrorKind::Transient
            }
            Self::NoVerity { .. } => ErrorKind::Usage,
            Self::Record { .. } | Self::DamagedImage { .. } => ErrorKind::Integrity,
            Self::NoSpace { .. } => ErrorKind::NoSpace,
            Self::NoImage { .. } => ErrorKind::NotFound,
        }
    }
}
