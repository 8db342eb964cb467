//! Small images, built with the tar crate.

use orlop_config::{Digest, ImageRef};
use orlop_image::{ImageRecord, PullError, PullOptions, Store, Verity, pull};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A layer: its tar, and the blob that it is packed in.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) tar: Vec<u8>,
    pub(crate) blob: Vec<u8>,
    pub(crate) is_uki: bool,
}

impl Layer {
    pub(crate) fn plain(tar: Vec<u8>) -> Self {
        Self {
            blob: tar.clone(),
            tar,
            is_uki: false,
        }
    }

    pub(crate) fn gzip(tar: Vec<u8>) -> Self {
        let mut blob = Vec::new();
        let mut encoder = flate2::read::GzEncoder::new(tar.as_slice(), flate2::Compression::fast());
        std::io::copy(&mut encoder, &mut blob).unwrap();
        Self {
            blob,
            tar,
            is_uki: false,
        }
    }

    pub(crate) fn zstd(tar: Vec<u8>) -> Self {
        Self {
            blob: zstd::encode_all(tar.as_slice(), 3).unwrap(),
            tar,
            is_uki: false,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.blob)
    }
}

/// A tar with owner 0, mode and time fixed.
pub(crate) struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub(crate) fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    pub(crate) fn file(mut self, path: &str, data: &[u8]) -> Self {
        let mut header = Self::header(tar::EntryType::Regular, data.len() as u64, 0o644);
        self.0.append_data(&mut header, path, data).unwrap();
        self
    }

    pub(crate) fn dir(mut self, path: &str, mode: u32) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, 0, mode);
        self.0
            .append_data(&mut header, path, [].as_slice())
            .unwrap();
        self
    }

    pub(crate) fn link(mut self, kind: tar::EntryType, path: &str, target: &str) -> Self {
        // Hard links repeat what their target has, as every tool writes them.
        let mode = match kind {
            tar::EntryType::Link => 0o644,
            _ => 0o777,
        };
        let mut header = Self::header(kind, 0, mode);
        header.set_link_name_literal(target).unwrap();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        self.0.append(&header, [].as_slice()).unwrap();
        self
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.link(tar::EntryType::Symlink, path, target)
    }

    pub(crate) fn hardlink(self, path: &str, target: &str) -> Self {
        self.link(tar::EntryType::Link, path, target)
    }

    pub(crate) fn special(mut self, kind: tar::EntryType, path: &str, device: (u32, u32)) -> Self {
        let mut header = Self::header(kind, 0, 0o600);
        header.set_device_major(device.0).unwrap();
        header.set_device_minor(device.1).unwrap();
        self.0
            .append_data(&mut header, path, [].as_slice())
            .unwrap();
        self
    }

    /// PAX records before the next entry.
    pub(crate) fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0
            .append_pax_extensions(records.iter().copied())
            .unwrap();
        self
    }

    /// An entry whose name is written as it is, which the tar crate would refuse.
    pub(crate) fn raw(mut self, kind: tar::EntryType, path: &str, data: &[u8]) -> Self {
        let mut header = Self::header(kind, data.len() as u64, 0o644);
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Content that does not compress and differs with `seed`.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A layout directory.
pub(crate) struct LayoutDir(PathBuf);

impl LayoutDir {
    pub(crate) fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let this = Self(dir.to_owned());
        this.write_index(&[]);
        this
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn put(&self, data: &[u8]) -> Digest {
        let digest = Digest::of(data);
        fs::write(self.blob_path(&digest), data).unwrap();
        digest
    }

    pub(crate) fn write_index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.0.join("index.json"), index.to_string()).unwrap();
    }

    /// Config, layers and manifest of an image; its descriptor.
    pub(crate) fn image(&self, layers: &[Layer], config: Value) -> Value {
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|l| Digest::of(&l.tar).to_string())
            .collect();
        self.image_with_diff_ids(layers, config, &diff_ids)
    }

    pub(crate) fn image_with_diff_ids(
        &self,
        layers: &[Layer],
        config: Value,
        diff_ids: &[String],
    ) -> Value {
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
            "config": config, "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let text = config.to_string();
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| {
                let mut descriptor = json!({
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": self.put(&layer.blob).as_str(), "size": layer.blob.len(),
                });
                if layer.is_uki {
                    descriptor["annotations"] = json!({ "io.orlop.layer": "uki" });
                }
                descriptor
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.put(text.as_bytes()).as_str(), "size": text.len(),
            },
            "layers": layers,
        });
        let text = manifest.to_string();
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": self.put(text.as_bytes()).as_str(), "size": text.len(),
        })
    }

    /// Makes an image the only one, with the tag `1`.
    pub(crate) fn only(&self, layers: &[Layer]) -> Digest {
        let descriptor = self.image(layers, json!({}));
        self.tag(descriptor)
    }

    pub(crate) fn tag(&self, mut descriptor: Value) -> Digest {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
        let digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
        self.write_index(&[descriptor]);
        digest
    }

    pub(crate) fn reference(&self) -> ImageRef {
        format!("oci:{}:1", self.0.display()).parse().unwrap()
    }
}

/// A scratch directory with a store and a layout in it.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
    pub(crate) layout: LayoutDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open_or_init(&dir.path().join("store"), Verity::Off).unwrap();
        let layout = LayoutDir::new(&dir.path().join("layout"));
        Self { dir, store, layout }
    }

    pub(crate) async fn import(&self, layers: &[Layer]) -> Result<ImageRecord, PullError> {
        self.layout.only(layers);
        get(&self.store, &self.layout.reference(), &options()).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Patient enough for a busy machine, quick enough for a test.
pub(crate) fn options() -> PullOptions {
    PullOptions {
        retries: 3,
        backoff: Duration::from_millis(5),
        ..PullOptions::default()
    }
}

/// A pull that nobody watches or cancels.
pub(crate) async fn get(
    store: &Store,
    image: &ImageRef,
    options: &PullOptions,
) -> Result<ImageRecord, PullError> {
    pull(store, image, options, &|_| {}, &CancellationToken::new()).await
}

/// An error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
