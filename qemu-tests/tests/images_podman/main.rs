//! Images of every format, made by other people's tools, come out of our importer with the same file
//! tree as podman makes of them: compared entry by entry. Needs root, and no machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step fails the test, where it stands"
)]

mod material;
mod peers;
mod tree;

use material::Material;
use orlop_config::ImageRef;
use orlop_image::{ImageRecord, PullOptions, Store, Verity, pull};
use orlop_machines::{Registry, Scratch};
use peers::Peers;
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use tree::{Tree, differences};

/// A store, a registry, podman's storage and what is to be packed, in one scratch folder.
struct Bench {
    // Dropped in this order: the folder last.
    registry: Registry,
    store: Store,
    peers: Peers,
    material: Material,
    scratch: Scratch,
}

impl Bench {
    fn new() -> Self {
        let scratch = Scratch::new().unwrap();
        let registry = Registry::start(&scratch.path().join("registry")).unwrap();
        let store = Store::open_or_init(&scratch.path().join("store"), Verity::Off).unwrap();
        let peers = Peers::new(scratch.path());
        let material = Material::new(&scratch.path().join("material"));
        Self {
            registry,
            store,
            peers,
            material,
            scratch,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The name of an image in the registry.
    fn name(&self, repository: &str) -> String {
        format!("{}/formats/{repository}:1", self.registry.address())
    }

    async fn import(&self, image: &str) -> ImageRecord {
        let image: ImageRef = image.parse().unwrap();
        let never = CancellationToken::new();
        pull(
            &self.store,
            &image,
            &PullOptions::default(),
            &|_| {},
            &never,
        )
        .await
        .unwrap()
    }

    /// An image of the registry as we unpack it, mounted as a node mounts it.
    async fn ours(&self, image: &str) -> Tree {
        let record = self.import(image).await;
        let mounted = Mounted::new(&self.store, &record, self.path("mnt"));
        Tree::read(&mounted.0)
    }

    /// In what our tree of an image differs from podman's.
    async fn compare(&self, repository: &str) -> Vec<String> {
        let image = self.name(repository);
        let ours = self.ours(&image).await;
        let theirs = Tree::read(&self.peers.podman_mount(&image));
        assert!(ours.len() > 5, "{image} has next to nothing in it");
        differences(&ours, &theirs)
    }
}

/// A mount that ends with the test.
struct Mounted(PathBuf);

impl Mounted {
    fn new(store: &Store, record: &ImageRecord, target: PathBuf) -> Self {
        fs::create_dir_all(&target).unwrap();
        store.mount(&record.root, &target).unwrap();
        Self(target)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

/// What podman loses: Go's tar reader takes an empty PAX value for none.
const EMPTY_ATTRIBUTE: &[&str] = &["etc/noted: attribute user.empty"];
/// What podman's storage loses when it copies a layer to put another one on it.
const LOST_IN_COPYING: &[&str] = &[
    "etc/noted: attribute system.posix_acl_access",
    "shared: attribute system.posix_acl_default",
];
/// Symbolic links with two names, of which that copying makes two links.
const TWIN_SYMLINKS: &[&str] = &["link-twin: hard links", "link: hard links"];
/// The device 0:0, which hides what is below in the storage that podman and Docker use where they can, and
/// with us; in this storage of podman's it is a device.
const OVERLAY_WHITEOUT: &[&str] = &["zero: theirs alone"];
/// Podman leaves the root directory with the time of the unpacking.
const ROOT_TIME: &[&str] = &[": time"];
/// A root directory that is in no layer is of mode 0555 with podman, 0755 with us, as with Docker.
const ROOT_MODE: &[&str] = &[": mode"];
/// Directories that a layer changes, or makes, without having them: of now with podman; with us they keep
/// the time of the layers below, or are of 1970, so that an image is the same whenever it is unpacked.
const UNNAMED_DIRECTORIES: &[&str] = &[
    "etc: time",
    "new/and: time",
    "new: time",
    "shared: time",
    "usr/lib: time",
    "usr/share: time",
];

/// The differences that are allowed, in order.
fn allowed(lists: &[&[&str]]) -> Vec<String> {
    let mut all: Vec<_> = lists.concat().into_iter().map(str::to_owned).collect();
    all.sort();
    all
}

#[tokio::test]
async fn layers_of_gnu_tar_in_a_layout_of_umoci_make_podmans_tree() {
    let bench = Bench::new();
    let layout = bench.path("umoci");
    let layers = bench.material.layers();
    bench.peers.umoci_layout(&layout, "1", &layers);
    let oci = bench.name("oci");
    let docker = bench.name("docker");
    let from = format!("oci:{}:1", layout.display());
    bench
        .peers
        .skopeo_copy(&from, &oci, &["--preserve-digests"]);
    bench
        .peers
        .skopeo_copy(&from, &docker, &["--format", "v2s2"]);
    let expected = allowed(&[
        EMPTY_ATTRIBUTE,
        LOST_IN_COPYING,
        TWIN_SYMLINKS,
        OVERLAY_WHITEOUT,
        ROOT_TIME,
        UNNAMED_DIRECTORIES,
    ]);
    assert_eq!(bench.compare("oci").await, expected);
    assert_eq!(bench.compare("docker").await, expected);
    let [direct, by_registry, as_docker] = [&from, &oci, &docker];
    let root = bench.import(direct).await.root;
    assert_eq!(bench.import(by_registry).await.root, root);
    assert_eq!(bench.import(as_docker).await.root, root);
}

#[tokio::test]
async fn sparse_files_in_every_format_of_gnu_tar_make_podmans_tree() {
    let bench = Bench::new();
    let layout = bench.path("sparse");
    for (tag, layer) in bench.material.sparse_layers() {
        bench.peers.umoci_layout(&layout, tag, &[layer]);
        let from = format!("oci:{}:{tag}", layout.display());
        let image = bench.name(&format!("sparse-{tag}"));
        bench.peers.skopeo_copy(&from, &image, &[]);
        let ours = bench.ours(&image).await;
        let original = Tree::read(&bench.material.sparse_tree());
        assert_eq!(differences(&ours, &original), [""; 0], "{tag}");
        if tag == "gnu" {
            let refusal = bench.peers.podman_refusal(&image);
            assert!(
                refusal.contains("unhandled tar header type 83"),
                "{refusal}"
            );
        } else {
            let theirs = Tree::read(&bench.peers.podman_mount(&image));
            assert_eq!(differences(&ours, &theirs), allowed(&[ROOT_TIME]), "{tag}");
        }
    }
}

#[tokio::test]
async fn images_of_buildah_in_every_format_and_compression_make_podmans_tree() {
    let bench = Bench::new();
    let built = bench.peers.buildah_image(&bench.material);
    let expected = allowed(&[
        EMPTY_ATTRIBUTE,
        TWIN_SYMLINKS,
        OVERLAY_WHITEOUT,
        ROOT_TIME,
        ROOT_MODE,
    ]);
    let mut roots = Vec::new();
    for (repository, options) in [
        ("docker-gzip", ["--format", "v2s2"].as_slice()),
        ("oci-gzip", &["--format", "oci"]),
        (
            "oci-zstd",
            &["--format", "oci", "--compression-format", "zstd"],
        ),
        ("oci-plain", &["--format", "oci", "--disable-compression"]),
    ] {
        let image = bench.name(repository);
        bench.peers.buildah_push(&built, &image, options);
        assert_eq!(bench.compare(repository).await, expected, "{repository}");
        roots.push(bench.import(&image).await.root);
    }
    roots.dedup();
    assert_eq!(roots.len(), 1, "the same layers, packed in several ways");
}

#[tokio::test]
async fn an_index_of_buildah_for_several_architectures_gives_ours() {
    let bench = Bench::new();
    let layers = bench.material.layers();
    let image = bench.name("index");
    bench.peers.buildah_index(&layers[0], &image);
    let expected = allowed(&[EMPTY_ATTRIBUTE, OVERLAY_WHITEOUT, ROOT_TIME, ROOT_MODE]);
    assert_eq!(bench.compare("index").await, expected);
    let tree = bench.ours(&image).await;
    assert_eq!(tree.read_text("architecture"), "amd64\n");
}

#[test]
fn a_difference_in_any_property_is_told() {
    let scratch = Scratch::new().unwrap();
    let make = |name: &str, change: &dyn Fn(&Path)| {
        let dir = scratch.path().join(name);
        fs::create_dir(&dir).unwrap();
        Material::fill(&dir);
        change(&dir);
        Tree::read(&dir)
    };
    let plain = make("plain", &|_| {});
    assert_eq!(differences(&plain, &make("same", &|_| {})), [""; 0]);
    let other = make("other", &|dir| material::change_everything(dir));
    assert_eq!(
        differences(&plain, &other),
        material::EVERY_CHANGE.map(str::to_owned)
    );
}
