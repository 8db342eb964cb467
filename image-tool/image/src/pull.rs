//! Resolving a reference and pulling an image into the store.

use crate::options::PullOptions;
use crate::progress::Progress;
use crate::pull_error::PullError;
use crate::record::ImageRecord;
use crate::store::Store;
use orlop_config::{Digest, ImageRef};
use tokio_util::sync::CancellationToken;

/// What a reference stands for at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Digest of the image manifest for this machine.
    pub manifest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// Bytes of all layers, as they are fetched.
    pub size_bytes: u64,
}

/// Asks what `image` stands for: a tag becomes a digest, an index the manifest for linux/amd64.
pub async fn resolve(image: &ImageRef, options: &PullOptions) -> Result<Resolved, PullError> {
    let _ = (image, options);
    todo!()
}

/// Pulls `image` into `store`: fetches what is missing, checks every digest, unpacks, makes it
/// durable, and only then names it. An image that is here already is not fetched again.
/// Cancelling, or dropping the future, keeps what has come for the next try.
pub async fn pull(
    store: &Store,
    image: &ImageRef,
    options: &PullOptions,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<ImageRecord, PullError> {
    let _ = (store, image, options, progress, cancel);
    todo!()
}
