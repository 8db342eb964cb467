//! What can be asked of what a node holds besides containers: images, volumes, networks.

use super::Caller;
use futures_util::stream::BoxStream;
use hyper::body::Bytes;
use orlop_api::{
    Fault, Freed, JobId, NetworkView, StoredImage, StoredImageDetail, VolumeDetail, VolumeView,
};
use orlop_config::Name;
use std::future::Future;
use std::io;

/// A tar archive as it comes; an error is the last of it.
pub type Tar = BoxStream<'static, io::Result<Bytes>>;

/// Operating images, volumes and networks. Part of [`super::Operations`].
pub trait StoredOperations: Send + Sync + 'static {
    /// Every image in the store, by reference.
    fn images(&self) -> impl Future<Output = Result<Vec<StoredImage>, Fault>> + Send;
    /// One image, by its reference or the beginning of its digest.
    fn image(&self, image: &str) -> impl Future<Output = Result<StoredImageDetail, Fault>> + Send;
    /// Fetches an image for no generation. It stays until it is removed.
    fn pull_image(
        &self,
        image: &str,
        caller: Caller,
    ) -> impl Future<Output = Result<JobId, Fault>> + Send;
    /// Removes an image that nothing needs.
    fn remove_image(
        &self,
        image: &str,
        caller: Caller,
    ) -> impl Future<Output = Result<Freed, Fault>> + Send;
    /// Removes every image that nothing needs, also those that were pulled by hand.
    fn prune_images(&self, caller: Caller) -> impl Future<Output = Result<Freed, Fault>> + Send;
    /// Every volume that is declared, or on disk, by name.
    fn volumes(&self) -> impl Future<Output = Result<Vec<VolumeView>, Fault>> + Send;
    /// One volume.
    fn volume(&self, volume: &str) -> impl Future<Output = Result<VolumeDetail, Fault>> + Send;
    /// Removes a volume that no container uses; one of another generation only with `force`.
    fn remove_volume(
        &self,
        volume: &str,
        force: bool,
        caller: Caller,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// A volume's content.
    fn export_volume(
        &self,
        volume: &str,
        caller: Caller,
    ) -> impl Future<Output = Result<Tar, Fault>> + Send;
    /// Makes this a volume's content, in place of what was there only with `replace`. Ends when it is on
    /// disk.
    fn import_volume(
        &self,
        volume: Name,
        replace: bool,
        content: Tar,
        caller: Caller,
    ) -> impl Future<Output = Result<VolumeView, Fault>> + Send;
    /// Every container network, by name.
    fn networks(&self) -> impl Future<Output = Vec<NetworkView>> + Send;
}
