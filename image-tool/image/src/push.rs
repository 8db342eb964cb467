//! Pushing an image of a layout directory to a registry.

use crate::layout::Layout;
use crate::layout_images::media_type_of;
use crate::manifest::{Descriptor, Document};
use crate::options::PullOptions;
use crate::pull_error::PullError;
use crate::registry::{Registry, failure};
use futures_util::StreamExt;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use orlop_config::{Digest, ImageRef};
use std::path::Path;
use tokio_util::io::ReaderStream;

/// Bytes read and sent at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Digest of the manifest or index that the tag names now.
    pub manifest: Digest,
    /// Blobs sent; what the registry had is not sent again.
    pub blobs: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// Pushes the image `tag` (or the only one) of the layout in `dir` to `target`, which needs a tag.
/// Every manifest of an index is pushed, before the index.
pub async fn push(
    dir: &Path,
    tag: Option<&str>,
    target: &ImageRef,
    options: &PullOptions,
) -> Result<Pushed, PullError> {
    let bad_target = |why: &str| PullError::Options {
        image: target.to_string(),
        why: why.to_owned(),
    };
    if !matches!(
        target,
        ImageRef::Registry {
            tag: Some(_),
            digest: None,
            ..
        }
    ) {
        return Err(bad_target(
            "push to a registry and a tag, such as \"registry.example.com/os:1\"",
        ));
    }
    let registry = Registry::new(target, options)
        .ok_or_else(|| bad_target("push to a registry, not to a layout"))??;
    let layout = Layout::new(dir, &format!("oci:{}", dir.display()));
    let entry = layout.find(tag)?;
    registry
        .client
        .auth(
            &registry.reference,
            &RegistryAuth::Anonymous,
            RegistryOperation::Push,
        )
        .await
        .map_err(|error| registry.error("the login", None, failure(error)))?;
    let mut push = Push {
        layout,
        registry,
        blobs: 0,
        bytes: 0,
    };
    push.document(&entry.digest, None).await?;
    Ok(Pushed {
        manifest: entry.digest,
        blobs: push.blobs,
        bytes: push.bytes,
    })
}

struct Push {
    layout: Layout,
    registry: Registry,
    blobs: u64,
    bytes: u64,
}

impl Push {
    /// Pushes a manifest, or an index with its manifests, after all that it names. `by_digest` is
    /// the reference for a manifest that has no tag.
    async fn document(
        &mut self,
        digest: &Digest,
        by_digest: Option<Reference>,
    ) -> Result<(), PullError> {
        let text = self.layout.checked("manifest", digest)?;
        match Document::parse(&text).map_err(|why| self.layout.bad("manifest", why))? {
            Document::Manifest(manifest) => {
                for blob in manifest.layers.iter().chain([&manifest.config]) {
                    self.blob(blob).await?;
                }
            }
            Document::Index(index) => {
                for child in index.manifests {
                    let name = self
                        .registry
                        .reference
                        .clone_with_digest(child.digest.to_string());
                    Box::pin(self.document(&child.digest, Some(name))).await?;
                }
            }
        }
        let media_type = media_type_of(&text).unwrap_or_default();
        let header = media_type.parse().map_err(|_| {
            self.layout
                .bad("manifest", format!("its media type is {media_type:?}"))
        })?;
        let reference = by_digest.as_ref().unwrap_or(&self.registry.reference);
        self.registry
            .client
            .push_manifest_raw(reference, text, header)
            .await
            .map_err(|error| self.registry.error("manifest", None, failure(error)))?;
        Ok(())
    }

    async fn blob(&mut self, blob: &Descriptor) -> Result<(), PullError> {
        let what = format!("blob {}", blob.digest.short());
        let fail = |error| self.registry.error(&what, None, failure(error));
        let (client, reference) = (&self.registry.client, &self.registry.reference);
        if client
            .blob_exists(reference, blob.digest.as_str())
            .await
            .map_err(fail)?
        {
            return Ok(());
        }
        let path = self.layout.blob(&what, &blob.digest)?;
        let file = tokio::fs::File::open(&path)
            .await
            .map_err(|source| PullError::Io {
                verb: "read",
                path,
                source,
            })?;
        let stream = ReaderStream::with_capacity(file, CHUNK_BYTES)
            .map(|chunk| chunk.map_err(oci_client::errors::OciDistributionError::IoError));
        client
            .push_blob_stream(reference, stream, blob.digest.as_str(), Some(blob.size))
            .await
            .map_err(fail)?;
        self.blobs += 1;
        self.bytes += blob.size;
        Ok(())
    }
}
