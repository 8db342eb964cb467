//! Writing an image into an OCI image layout directory (OCI image specification 1.1).

use super::layer::Layer;
use oci_spec::image::{
    ANNOTATION_REF_NAME, Arch, ConfigBuilder, Descriptor, DescriptorBuilder, HistoryBuilder,
    ImageConfigurationBuilder, ImageIndex, ImageIndexBuilder, ImageManifestBuilder, MediaType, Os,
    PlatformBuilder, RootFsBuilder, Sha256Digest,
};
use orlop_config::Digest;
use serde::Serialize;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

/// An image that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OciError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read the index {path} of the layout that is there")]
    Index {
        path: PathBuf,
        source: Box<oci_spec::OciSpecError>,
    },
    #[error("cannot describe the image")]
    Describe(#[from] oci_spec::OciSpecError),
    #[error("cannot write a description as JSON")]
    Json(#[from] serde_json::Error),
}

/// An image whose layers are ready.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    /// The name that it gets in the layout.
    pub(crate) tag: &'a str,
    /// Its layers, lowest first, with their annotations.
    pub(crate) layers: Vec<(Layer, HashMap<String, String>)>,
    /// Labels of its config.
    pub(crate) labels: HashMap<String, String>,
    /// When it was made, RFC 3339.
    pub(crate) created: String,
}

/// Adds the image to the layout in `dir`, which is made if it is not there. The layers' files are
/// moved into it. An image that had the tag loses it; its blobs stay. Returns the manifest's digest.
pub(crate) fn write(image: Image<'_>, dir: &Path) -> Result<Digest, OciError> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|source| OciError::Write {
        path: blobs.clone(),
        source,
    })?;
    let config = canonical(&config(&image)?)?;
    let config_digest = put(&blobs, config.as_bytes())?;
    let mut layers = Vec::new();
    for (layer, annotations) in &image.layers {
        let path = blobs.join(layer.digest.hex());
        fs::rename(&layer.path, &path).map_err(|source| OciError::Write { path, source })?;
        let mut descriptor = descriptor(MediaType::ImageLayerZstd, &layer.digest, layer.size)?;
        if !annotations.is_empty() {
            descriptor.set_annotations(Some(annotations.clone()));
        }
        layers.push(descriptor);
    }
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(
            MediaType::ImageConfig,
            &config_digest,
            config.len() as u64,
        )?)
        .layers(layers)
        .build()?;
    let manifest = canonical(&manifest)?;
    let digest = put(&blobs, manifest.as_bytes())?;
    let marker = dir.join("oci-layout");
    fs::write(&marker, r#"{"imageLayoutVersion":"1.0.0"}"#).map_err(|source| OciError::Write {
        path: marker,
        source,
    })?;
    add_to_index(
        dir,
        image.tag,
        descriptor(MediaType::ImageManifest, &digest, manifest.len() as u64)?,
    )?;
    Ok(digest)
}

/// JSON with sorted keys: the same image has the same digest each time.
fn canonical(document: &impl Serialize) -> Result<String, OciError> {
    let mut value = serde_json::to_value(document)?;
    value.sort_all_objects();
    Ok(value.to_string())
}

fn config(image: &Image<'_>) -> Result<oci_spec::image::ImageConfiguration, OciError> {
    let diff_ids: Vec<String> = image
        .layers
        .iter()
        .map(|(layer, _)| layer.diff_id.to_string())
        .collect();
    let history = HistoryBuilder::default()
        .created(image.created.clone())
        .created_by("orlop-image build")
        .build()?;
    Ok(ImageConfigurationBuilder::default()
        .created(image.created.clone())
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(
            ConfigBuilder::default()
                .labels(image.labels.clone())
                .build()?,
        )
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(diff_ids)
                .build()?,
        )
        .history(vec![history; image.layers.len()])
        .build()?)
}

fn descriptor(kind: MediaType, digest: &Digest, size: u64) -> Result<Descriptor, OciError> {
    Ok(DescriptorBuilder::default()
        .media_type(kind)
        .digest(Sha256Digest::from_str(digest.hex())?)
        .size(size)
        .build()?)
}

fn put(blobs: &Path, bytes: &[u8]) -> Result<Digest, OciError> {
    let digest = Digest::of(bytes);
    let path = blobs.join(digest.hex());
    fs::write(&path, bytes).map_err(|source| OciError::Write { path, source })?;
    Ok(digest)
}

/// The index is the last to be written, and whole or not at all.
fn add_to_index(dir: &Path, tag: &str, mut manifest: Descriptor) -> Result<(), OciError> {
    let path = dir.join("index.json");
    let mut manifests = match ImageIndex::from_file(&path) {
        Ok(index) => index.manifests().clone(),
        Err(_) if !path.exists() => Vec::new(),
        Err(source) => {
            return Err(OciError::Index {
                path,
                source: Box::new(source),
            });
        }
    };
    let tag_of = |d: &Descriptor| {
        d.annotations()
            .as_ref()
            .and_then(|annotations| annotations.get(ANNOTATION_REF_NAME))
            .cloned()
    };
    manifests.retain(|other| tag_of(other).as_deref() != Some(tag));
    manifest.set_annotations(Some(HashMap::from([(
        ANNOTATION_REF_NAME.to_owned(),
        tag.to_owned(),
    )])));
    manifest.set_platform(Some(
        PlatformBuilder::default()
            .architecture(Arch::Amd64)
            .os(Os::Linux)
            .build()?,
    ));
    manifests.push(manifest);
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .build()?;
    let index = canonical(&index)?;
    let unfinished = dir.join("index.json.new");
    fs::write(&unfinished, index)
        .and_then(|()| fs::rename(&unfinished, &path))
        .map_err(|source| OciError::Write { path, source })
}
