//! Where an image comes from, and what its reference stands for there.

use crate::download::Blob;
use crate::layout::Layout;
use crate::layout_images::media_type_of;
use crate::manifest::{Document, Manifest};
use crate::options::PullOptions;
use crate::places::Places;
use crate::pull_error::PullError;
use crate::store::Store;
use orlop_config::{Digest, ImageRef};
use std::path::PathBuf;

/// A place that has the image.
pub(crate) enum Source {
    Layout(Layout, Option<String>),
    Registry(Places),
}

/// A manifest that was found.
pub(crate) struct Found {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) manifest: Manifest,
}

impl Source {
    pub(crate) fn new(image: &ImageRef, options: &PullOptions) -> Result<Self, PullError> {
        match image {
            ImageRef::Layout { dir, tag } => Ok(Self::Layout(
                Layout::new(dir.as_ref(), &image.to_string()),
                tag.clone(),
            )),
            ImageRef::Registry { .. } => match Places::new(image, options) {
                Some(places) => Ok(Self::Registry(places?)),
                None => Err(PullError::Options {
                    image: image.to_string(),
                    why: "it is neither a layout nor in a registry".to_owned(),
                }),
            },
        }
    }

    /// The image's manifest for `platform`, every digest on the way checked.
    pub(crate) async fn find(&self, image: &ImageRef, platform: &str) -> Result<Found, PullError> {
        let pinned = match image {
            ImageRef::Registry { digest, .. } => digest.clone(),
            ImageRef::Layout { .. } => None,
        };
        let (mut text, expected) = match self {
            Self::Registry(_) => (self.manifest(image, None, pinned.as_ref()).await?, pinned),
            Self::Layout(layout, tag) => {
                let digest = layout.find(tag.as_deref())?.digest;
                (layout.document("manifest", &digest)?, Some(digest))
            }
        };
        let mut digest = check("manifest", image, &text, expected.as_ref())?;
        // An index names images; an index of indexes is not a thing that anybody publishes.
        for _ in 0..2 {
            match parse(image, &text)? {
                Document::Manifest(manifest) => {
                    let media_type = media_type_of(&text).unwrap_or_default();
                    return Ok(Found {
                        digest,
                        media_type,
                        manifest,
                    });
                }
                Document::Index(index) => {
                    let child =
                        index
                            .image_for(platform)
                            .map_err(|found| PullError::NoPlatform {
                                image: image.to_string(),
                                wanted: platform.to_owned(),
                                found,
                            })?;
                    let wanted = Some(&child.digest);
                    text = self.manifest(image, wanted, wanted).await?;
                    digest = check("manifest", image, &text, Some(&child.digest))?;
                }
            }
        }
        Err(bad(image, "an index that names an index".to_owned()))
    }

    /// The manifest or index that `child`, or the image itself, stands for. Registries are asked until one
    /// has what was expected.
    async fn manifest(
        &self,
        image: &ImageRef,
        child: Option<&Digest>,
        expected: Option<&Digest>,
    ) -> Result<Vec<u8>, PullError> {
        match (self, child) {
            (Self::Registry(places), child) => {
                places
                    .ask(|registry| async move {
                        let text = registry.manifest(child).await?;
                        check("manifest", image, &text, expected)?;
                        Ok(text)
                    })
                    .await
            }
            (Self::Layout(layout, _), Some(child)) => layout.document("manifest", child),
            (Self::Layout(layout, tag), None) => {
                let digest = layout.find(tag.as_deref())?.digest;
                layout.document("manifest", &digest)
            }
        }
    }

    /// A small blob, its digest checked.
    pub(crate) async fn document(
        &self,
        what: &str,
        image: &ImageRef,
        digest: &Digest,
    ) -> Result<Vec<u8>, PullError> {
        let text = match self {
            Self::Registry(places) => {
                places
                    .ask(|registry| async move {
                        let text = registry.document(what, digest).await?;
                        check(what, image, &text, Some(digest))?;
                        Ok(text)
                    })
                    .await?
            }
            Self::Layout(layout, _) => layout.document(what, digest)?,
        };
        check(what, image, &text, Some(digest))?;
        Ok(text)
    }

    /// A file with the blob: in the layout itself, or fetched into the store's partial directory.
    pub(crate) async fn blob(
        &self,
        store: &Store,
        blob: &Blob,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<PathBuf, PullError> {
        match self {
            Self::Layout(layout, _) => layout.blob(&blob.what, &blob.digest),
            Self::Registry(places) => {
                let path = store.partial_path(&blob.digest);
                let to = path.as_path();
                places
                    .ask(|registry| registry.fetch(blob, to, on_bytes))
                    .await?;
                Ok(path)
            }
        }
    }

    /// Whether blobs are copies in the store that are of no use after the import.
    pub(crate) fn keeps_copies(&self) -> bool {
        matches!(self, Self::Registry(_))
    }
}

/// The digest of `text`, which has to be `expected`.
fn check(
    what: &str,
    image: &ImageRef,
    text: &[u8],
    expected: Option<&Digest>,
) -> Result<Digest, PullError> {
    let got = Digest::of(text);
    match expected {
        Some(expected) if *expected != got => Err(PullError::DigestMismatch {
            what: what.to_owned(),
            image: image.to_string(),
            expected: expected.to_string(),
            got: got.to_string(),
        }),
        _ => Ok(got),
    }
}

fn parse(image: &ImageRef, text: &[u8]) -> Result<Document, PullError> {
    Document::parse(text).map_err(|why| bad(image, why))
}

fn bad(image: &ImageRef, why: String) -> PullError {
    PullError::BadAnswer {
        what: "manifest".to_owned(),
        image: image.to_string(),
        why,
    }
}
