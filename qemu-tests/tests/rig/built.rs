//! Images as their layout has them, and damage to their blobs.

use orlop_config::Digest;
use orlop_image::{LayoutImage, images_of_layout};
use std::fs;
use std::path::Path;

/// The image of a layout with this tag.
pub(crate) fn image_of(layout: &Path, tag: &str) -> LayoutImage {
    let mut images = images_of_layout(layout).unwrap().into_iter();
    let image = images.find(|image| image.tag.as_deref() == Some(tag));
    image.unwrap_or_else(|| panic!("no image {tag} in {}", layout.display()))
}

/// Flips a bit in the middle of a file. The digest that it has then, and what it was before.
pub(crate) fn damage(path: &Path) -> (Digest, Vec<u8>) {
    let whole = fs::read(path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(path, &damaged).unwrap();
    (Digest::of(&damaged), whole)
}
