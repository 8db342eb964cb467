//! When a registry is asked for a container's tag.

use crate::os_image::{make, make_container};
use orlop_api::{Fault, FaultKind};
use orlop_config::Digest;
use orlop_core::OsImage;
use orlop_image::{Store, Verity};
use orlopd::stage::{FetchError, Fetched, Wanted, fetch, first, pull_one};
use std::fs;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// A store with an OS image in it, and what a node of one container wants.
struct Node {
    store: Store,
    os: OsImage,
}

impl Node {
    async fn new(dir: &Path) -> Self {
        let store = Store::open_or_init(&dir.join("store"), Verity::Off).unwrap();
        let image = make(dir, "1");
        let reference = image.reference.parse().unwrap();
        let config = orlop_config::parse("node.toml", "schema = 1\n").unwrap();
        let record = pull_one(
            &store,
            &config,
            &reference,
            &|_| (),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        let os = OsImage {
            reference: image.reference,
            manifest: record.manifest,
            root: record.root,
            version: "1".to_owned(),
            boot: Digest::of(b"boot"),
        };
        Self { store, os }
    }

    fn wanted(&self, image: &str, pull: &str) -> Wanted {
        let text = format!("schema = 1\n[container.web]\nimage = \"{image}\"\npull = \"{pull}\"\n");
        let config = orlop_config::parse("node.toml", &text).unwrap();
        first(text, config, &self.os)
    }

    async fn fetch(&self, image: &str, pull: &str) -> Result<Fetched, Fault> {
        let wanted = self.wanted(image, pull);
        let fetched = fetch(&self.store, &wanted, &|_| (), &CancellationToken::new()).await;
        fetched.map_err(|error: FetchError| error.into())
    }
}

#[tokio::test]
async fn a_tag_is_asked_for_as_the_container_says() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(dir.path()).await;
    let image = make_container(dir.path(), "web");
    let fault = node.fetch(&image, "never").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Config);
    assert_eq!(
        fault.message,
        format!("cannot use {image}: it is not on this node, and `pull` is \"never\"")
    );
    let first = node.fetch(&image, "missing").await.unwrap();

    // The image is on the node now, and nowhere else.
    fs::remove_dir_all(dir.path().join("web")).unwrap();
    for policy in ["never", "missing"] {
        let again = node.fetch(&image, policy).await.unwrap();
        assert_eq!(again.containers, first.containers);
    }
    assert_eq!(
        node.fetch(&image, "always").await.unwrap_err().kind,
        FaultKind::NotFound
    );
}
