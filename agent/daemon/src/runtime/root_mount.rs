//! The port through which a container's root file system comes from the content store.

use orlop_config::RootDigest;
use std::error::Error;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Mounts images from the content store. Calls may block; the runtime makes them off its threads.
pub trait RootMounter: Send + Sync + 'static {
    /// Mounts image `root` at `target`, writable, with changes going to `upper` (and `work`, an
    /// empty directory on the same file system). Both exist. fs-verity is required where the
    /// store requires it. With `ids`, a user namespace, the image's files belong to the ids that
    /// its own ids are mapped to there; those of `upper` have been mapped before.
    ///
    /// # Errors
    /// The image is not in the store or damaged, or the kernel refuses; then nothing is mounted.
    fn mount_with_upper(
        &self,
        root: &RootDigest,
        upper: &Path,
        work: &Path,
        ids: Option<BorrowedFd<'_>>,
        target: &Path,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;
}
