//! The root digest of one layer, for whoever builds images.

use crate::blob_reader::{read_blob, unpacked_limit};
use crate::cancel_flag::CancelFlag;
use crate::composefs_store::DigestOnly;
use crate::erofs::image_of;
use crate::layer::{Budget, ReadError, read_entries};
use crate::layer_error::LayerError;
use crate::tree::Tree;
use orlop_config::RootDigest;
use std::fs::File;
use std::path::Path;

/// The root digest that one layer (a tar; plain, gzip or zstd, told by its first bytes) makes as an
/// image of its own. Stores nothing. Blocking.
pub fn root_digest_of_layer(layer: &Path) -> Result<RootDigest, LayerError> {
    let file = File::open(layer).map_err(LayerError::Read)?;
    let size = file.metadata().map_err(LayerError::Read)?.len();
    let cancel = CancelFlag::default();
    let budget = Budget::new();
    let limit = unpacked_limit(size);
    let (entries, digests) = read_blob(file, limit, &cancel, &|_| {}, |tar| {
        read_entries(tar, &DigestOnly, budget.layer(size), &cancel)
    });
    digests.map_err(LayerError::Read)?;
    let entries = entries.map_err(layer_error)?;
    let mut tree = Tree::new();
    tree.apply(entries)?;
    image_of(tree).map(|(_, root)| root)
}

/// Why a layer cannot be read without a store.
pub(crate) fn layer_error(error: ReadError) -> LayerError {
    match error {
        ReadError::Layer(error) => error,
        ReadError::Store(error) => LayerError::Tree(error.to_string()),
    }
}
