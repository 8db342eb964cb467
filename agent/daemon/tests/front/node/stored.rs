//! What a node in memory stores.

use super::MemoryNode;
use futures_util::StreamExt;
use futures_util::stream;
use orlop_api::{
    Fault, FaultKind, Freed, JobId, LayerView, NetworkMember, NetworkView, StoredImage,
    StoredImageDetail, SubnetView, VolumeDetail, VolumeView,
};
use orlopd::ops::{Caller, StoredOperations, Tar};

fn stored(reference: &str, digit: char, used_by: &[&str]) -> StoredImage {
    StoredImage {
        reference: reference.to_owned(),
        manifest: format!("sha256:{}", digit.to_string().repeat(64)),
        root: digit.to_string().repeat(64),
        kind: "container".to_owned(),
        version: (digit == 'c').then(|| "1.4.2".to_owned()),
        size_bytes: 3 << 20,
        created: None,
        pulled: used_by.is_empty(),
        used_by: used_by.iter().map(|&user| user.to_owned()).collect(),
    }
}

fn volume(name: &str, made: bool) -> VolumeView {
    VolumeView {
        name: name.to_owned(),
        made,
        declared: name == "data",
        containers: (name == "data")
            .then(|| "db".to_owned())
            .into_iter()
            .collect(),
        generations: vec![1, 2],
        limit_bytes: (name == "data").then_some(2 << 30),
        counted_bytes: (name == "data").then_some(512 << 20),
    }
}

impl StoredOperations for MemoryNode {
    async fn images(&self) -> Result<Vec<StoredImage>, Fault> {
        let users = ["generation 2", "container web"];
        Ok(vec![
            stored("registry.example.com/web:1.4", 'c', &users),
            stored("registry.example.com/tool:2", 'e', &[]),
        ])
    }

    async fn image(&self, image: &str) -> Result<StoredImageDetail, Fault> {
        let images = self.images().await?;
        let found = images.into_iter().find(|one| one.reference == image);
        let image = found.ok_or_else(|| {
            let message = format!("cannot find image {image} in the store");
            Fault::new(FaultKind::NotFound, message)
        })?;
        Ok(StoredImageDetail {
            image,
            layers: vec![LayerView {
                digest: format!("sha256:{}", "f".repeat(64)),
                size_bytes: 1 << 20,
            }],
            run: serde_json::json!({ "cmd": ["/app"] }),
        })
    }

    async fn pull_image(&self, image: &str, caller: Caller) -> Result<JobId, Fault> {
        self.note(format!("pull {image}"), &caller)?;
        Ok(JobId(4))
    }

    async fn remove_image(&self, image: &str, caller: Caller) -> Result<Freed, Fault> {
        self.note(format!("remove {image}"), &caller)?;
        Ok(Freed {
            images: vec![image.to_owned()],
            objects: 3,
            bytes: 3 << 20,
        })
    }

    async fn prune_images(&self, caller: Caller) -> Result<Freed, Fault> {
        self.note("prune".to_owned(), &caller)?;
        Ok(Freed::default())
    }

    async fn volumes(&self) -> Result<Vec<VolumeView>, Fault> {
        Ok(vec![
            volume("data", true),
            volume("new", false),
            volume("old", true),
        ])
    }

    async fn volume(&self, volume: &str) -> Result<VolumeDetail, Fault> {
        let volumes = self.volumes().await?;
        let found = volumes.into_iter().find(|one| one.name == volume);
        let volume = found.ok_or_else(|| {
            let message = format!("cannot find volume {volume}");
            Fault::new(FaultKind::NotFound, message)
        })?;
        Ok(VolumeDetail {
            path: format!("/state/volumes/{}", volume.name),
            volume,
            used_bytes: 4096,
            entries: 2,
        })
    }

    async fn remove_volume(&self, volume: &str, force: bool, caller: Caller) -> Result<(), Fault> {
        self.note(format!("remove volume {volume}, force {force}"), &caller)
    }

    /// Its content is its name; that of `cut` breaks off.
    async fn export_volume(&self, volume: &str, caller: Caller) -> Result<Tar, Fault> {
        self.note(format!("export {volume}"), &caller)?;
        self.volume(if volume == "cut" { "data" } else { volume })
            .await?;
        let whole = stream::iter([Ok(volume.to_owned().into())]);
        if volume != "cut" {
            return Ok(whole.boxed());
        }
        let breaks = stream::once(async {
            // Not before what came is sent.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("a disk that breaks"))
        });
        Ok(whole.chain(breaks).boxed())
    }

    async fn import_volume(
        &self,
        volume: orlop_config::Name,
        replace: bool,
        content: Tar,
        caller: Caller,
    ) -> Result<VolumeView, Fault> {
        self.note(format!("import {volume}, replace {replace}"), &caller)?;
        let chunks: Vec<_> = content.map(Result::unwrap).collect().await;
        let text = String::from_utf8(chunks.concat()).unwrap();
        self.note(format!("it has {} bytes", text.len()), &caller)?;
        Ok(self.volume(volume.as_str()).await?.volume)
    }

    async fn networks(&self) -> Vec<NetworkView> {
        let network = |name: &str, containers| NetworkView {
            name: name.to_owned(),
            driver: "bridge".to_owned(),
            subnets: vec![SubnetView {
                subnet: "10.89.0.0/24".to_owned(),
                gateway: "10.89.0.1".to_owned(),
            }],
            parent: None,
            internal: name != "default",
            dns: true,
            declared: name != "default",
            containers,
        };
        let web = NetworkMember {
            name: "web".to_owned(),
            addresses: vec!["10.89.0.2".to_owned()],
            aliases: vec!["www".to_owned()],
        };
        vec![network("back", Vec::new()), network("default", vec![web])]
    }
}
