//! What is in a layout directory, for people: images, layers, labels, sizes.

use crate::layout::Layout;
use crate::manifest::{
    Descriptor, Document, ImageConfig, Manifest, OCI_INDEX, OCI_MANIFEST, REF_NAME,
};
use crate::pull_error::PullError;
use orlop_config::Digest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// An image in a layout directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayoutImage {
    /// Its tag; none where `index.json` gives none.
    pub tag: Option<String>,
    /// `linux/amd64`, where an index says so.
    pub platform: Option<String>,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of its config.
    pub config: Digest,
    /// Its layers, lowest first.
    pub layers: Vec<LayoutLayer>,
    /// Bytes of all layers, as they are fetched.
    pub size_bytes: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it was built (RFC 3339).
    pub created: Option<String>,
}

/// A layer of a [`LayoutImage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayoutLayer {
    /// Digest of the blob.
    pub digest: Digest,
    /// Digest of the tar in it.
    pub diff_id: Digest,
    /// Size of the blob in bytes.
    pub size_bytes: u64,
    /// The media type, as the manifest says it.
    pub media_type: String,
    /// Whether it holds an OS image's UKI.
    pub uki: bool,
}

/// Every image of the layout in `dir`, in the order of its index. Reads manifests and configs, no
/// layers; what is read is checked against its digest.
pub fn images_of_layout(dir: &Path) -> Result<Vec<LayoutImage>, PullError> {
    let layout = Layout::new(dir, &format!("oci:{}", dir.display()));
    let mut images = Vec::new();
    for entry in layout.index()?.manifests {
        let tag = entry.annotation(REF_NAME).map(str::to_owned);
        match document(&layout, &entry)? {
            Document::Manifest(manifest) => images.push(image(&layout, tag, &entry, manifest)?),
            Document::Index(index) => {
                for child in index.manifests {
                    if let Document::Manifest(manifest) = document(&layout, &child)? {
                        images.push(image(&layout, tag.clone(), &child, manifest)?);
                    }
                }
            }
        }
    }
    Ok(images)
}

fn document(layout: &Layout, entry: &Descriptor) -> Result<Document, PullError> {
    let text = layout.checked("manifest", &entry.digest)?;
    Document::parse(&text).map_err(|why| layout.bad("manifest", why))
}

fn image(
    layout: &Layout,
    tag: Option<String>,
    entry: &Descriptor,
    manifest: Manifest,
) -> Result<LayoutImage, PullError> {
    let text = layout.checked("config", &manifest.config.digest)?;
    let config = ImageConfig::parse(&text, manifest.layers.len())
        .map_err(|why| layout.bad("config", why))?;
    let layers: Vec<_> = manifest
        .layers
        .iter()
        .zip(config.diff_ids())
        .map(|(layer, diff_id)| LayoutLayer {
            digest: layer.digest.clone(),
            diff_id: diff_id.clone(),
            size_bytes: layer.size,
            media_type: layer.media_type.clone().unwrap_or_default(),
            uki: layer.is_uki(),
        })
        .collect();
    Ok(LayoutImage {
        tag,
        platform: entry
            .platform
            .as_ref()
            .map(|p| format!("{}/{}", p.os, p.architecture)),
        manifest: entry.digest.clone(),
        config: manifest.config.digest,
        size_bytes: layers
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.size_bytes)),
        layers,
        labels: config.runtime().labels,
        created: config.created,
    })
}

/// The media type to send a manifest or index with.
pub(crate) fn media_type_of(text: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let fallback = match Document::parse(text).ok()? {
        Document::Manifest(_) => OCI_MANIFEST,
        Document::Index(_) => OCI_INDEX,
    };
    let typed: Typed = serde_json::from_slice(text).ok()?;
    Some(typed.media_type.unwrap_or_else(|| fallback.to_owned()))
}
