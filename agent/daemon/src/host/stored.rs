//! Operating images, volumes and networks.

use super::operations::Host;
use super::{images, networks, volumes};
use crate::ops::{Caller, StoredOperations, Tar};
use orlop_api::{
    Fault, Freed, JobId, NetworkView, StoredImage, StoredImageDetail, VolumeDetail, VolumeView,
};
use orlop_config::Name;

impl StoredOperations for Host {
    async fn images(&self) -> Result<Vec<StoredImage>, Fault> {
        images::list(self.shared()).await
    }

    async fn image(&self, image: &str) -> Result<StoredImageDetail, Fault> {
        images::detail(self.shared(), image).await
    }

    async fn pull_image(&self, image: &str, caller: Caller) -> Result<JobId, Fault> {
        images::pull(&self.share(), image, &caller)
    }

    async fn remove_image(&self, image: &str, caller: Caller) -> Result<Freed, Fault> {
        log::info!(caller:% = caller; "asked to remove image {image}");
        self.free(Some(image.to_owned())).await
    }

    async fn prune_images(&self, caller: Caller) -> Result<Freed, Fault> {
        log::info!(caller:% = caller; "asked to remove all images that nothing needs");
        self.free(None).await
    }

    async fn volumes(&self) -> Result<Vec<VolumeView>, Fault> {
        volumes::list(self.shared()).await
    }

    async fn volume(&self, volume: &str) -> Result<VolumeDetail, Fault> {
        volumes::detail(self.shared(), volume).await
    }

    async fn remove_volume(&self, volume: &str, force: bool, caller: Caller) -> Result<(), Fault> {
        log::info!(volume, caller:% = caller; "asked to remove volume {volume}");
        volumes::remove(self.shared(), volume, force).await
    }

    async fn export_volume(&self, volume: &str, caller: Caller) -> Result<Tar, Fault> {
        log::info!(volume, caller:% = caller; "asked for the content of volume {volume}");
        Ok(self.shared().live.runtime().export_volume(volume).await?)
    }

    async fn import_volume(
        &self,
        volume: Name,
        replace: bool,
        content: Tar,
        caller: Caller,
    ) -> Result<VolumeView, Fault> {
        log::info!(volume = volume.as_str(), caller:% = caller; "asked to import volume {volume}");
        volumes::import(self.share(), volume, replace, content).await
    }

    async fn networks(&self) -> Vec<NetworkView> {
        networks::list(self.shared())
    }
}
