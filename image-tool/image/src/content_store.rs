//! What the importer asks of a content-addressed store. Narrow, so that composefs stays behind it.

use crate::store_error::StoreError;
use orlop_config::RootDigest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Read;

/// The fs-verity SHA-256 digest (4 KiB blocks) of an object: its name in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectDigest(pub(crate) [u8; 32]);

/// A store of objects, and of images made of them.
pub trait ContentStore {
    /// Stores `size` bytes of `content` and gives their name. What is there already is not written
    /// again. Durable after [`ContentStore::put_image`] of any image, not before.
    fn put_object(&self, content: &mut dyn Read, size: u64) -> Result<ObjectDigest, StoreError>;

    /// Whether an object of that name is there. Does not read it.
    fn has_object(&self, digest: &ObjectDigest) -> Result<bool, StoreError>;

    /// Stores the EROFS metadata of an image. When this returns, all objects, the metadata and the
    /// image's name are durable; the name is never there before the rest.
    fn put_image(&self, metadata: &[u8]) -> Result<RootDigest, StoreError>;

    /// The metadata of an image, checked against its digest.
    fn read_image(&self, root: &RootDigest) -> Result<Vec<u8>, StoreError>;
}

impl fmt::Display for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectDigest({self})")
    }
}
