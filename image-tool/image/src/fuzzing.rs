//! Ways into the parsers for `fuzz/`: each takes bytes as they come from outside, without a store.

use crate::blob_reader::{read_blob as read, unpacked_limit};
use crate::cancel_flag::CancelFlag;
use crate::composefs_store::DigestOnly;
use crate::erofs::{files_in, image_of};
use crate::layer::{Budget, ReadError, read_entries};
use crate::layer_error::LayerError;
use crate::layer_root::layer_error;
use crate::manifest::{Document, ImageConfig};
use crate::tree::Tree;
use orlop_config::{Platform, RootDigest};
use std::path::PathBuf;

/// The EROFS metadata and the digest of what tars make, laid one upon the other.
///
/// # Errors
/// What a pull of such an image would fail with.
pub fn image_of_layers(tars: &[Vec<u8>]) -> Result<(Box<[u8]>, RootDigest), LayerError> {
    let (mut tree, budget) = (Tree::new(), Budget::new());
    for tar in tars {
        let entries = read_entries(
            tar.as_slice(),
            &DigestOnly,
            budget.layer(tar.len() as u64),
            &CancelFlag::default(),
        );
        tree.apply(entries.map_err(layer_error)?)?;
    }
    image_of(tree)
}

/// Every path of an image.
///
/// # Errors
/// What is wrong with the image.
pub fn paths_in(image: &[u8]) -> Result<Vec<PathBuf>, String> {
    Ok(files_in(image)?.into_keys().collect())
}

/// Reads a blob as a layer, for what fails or hangs on the way; what comes of it is dropped.
pub fn read_blob(blob: &[u8]) {
    let cancel = CancelFlag::default();
    let size = blob.len() as u64;
    let budget = Budget::new();
    let (entries, digests) = read(blob, unpacked_limit(size), &cancel, &|_| {}, |tar| {
        read_entries(tar, &DigestOnly, budget.layer(size), &cancel)
    });
    let entries: Result<_, ReadError> = entries;
    drop((entries, digests));
}

/// Reads a document as each of those that a registry sends; how many of them it is.
pub fn read_documents(text: &[u8]) -> usize {
    let document = match Document::parse(text) {
        Ok(Document::Index(index)) => usize::from(index.image_for(Platform::NATIVE).is_ok()),
        Ok(Document::Manifest(manifest)) => {
            usize::from(manifest.layers.iter().all(|layer| !layer.is_uki()))
        }
        Err(_) => 0,
    };
    let configs = (0..3).filter_map(|layers| ImageConfig::parse(text, layers).ok());
    let told = configs.map(|config| (config.runtime(), config.label("io.orlop.os.root").is_some()));
    document + told.count()
}
