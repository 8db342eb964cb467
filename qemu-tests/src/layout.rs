//! Writing small OCI image layouts, for containers of tests (OCI image specification 1.1).

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Media type of a layer.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Media type of a layer that gzip has compressed.
const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Media type of a manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an image's config.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Modification time of every file: the same content gives the same image.
const EPOCH: u64 = 1_767_225_600;

/// A layout cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct LayoutError {
    path: PathBuf,
    source: io::Error,
}

/// A file of an image.
#[derive(Clone, Debug)]
pub struct ImageFile {
    /// Its path from the root, without a leading slash.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
}

/// How to run an image.
#[derive(Clone, Debug, Default)]
pub struct ImageCommand {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
}

/// An OCI image layout directory that images are added to.
#[derive(Debug)]
pub struct LayoutWriter {
    dir: PathBuf,
    manifests: Vec<Value>,
}

impl LayoutWriter {
    /// Begins a layout in `dir`, which is made where there is none.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(dir: &Path) -> Result<Self, LayoutError> {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|source| LayoutError {
            path: blobs,
            source,
        })?;
        let layout = Self {
            dir: dir.to_owned(),
            manifests: Vec::new(),
        };
        layout.write("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        Ok(layout)
    }

    /// Adds an image of one layer under a tag. Gives its manifest's digest.
    ///
    /// # Errors
    /// A blob or the index cannot be written.
    pub fn add(
        &mut self,
        tag: &str,
        files: &[ImageFile],
        command: &ImageCommand,
    ) -> Result<String, LayoutError> {
        let tar = self.tar_of(files)?;
        let layer = self.blob(LAYER, &tar)?;
        let diff_ids = [layer["digest"].clone()];
        self.add_layers(tag, &[layer], &diff_ids, command)
    }

    /// Adds an image of several layers, each compressed by gzip.
    ///
    /// # Errors
    /// As [`LayoutWriter::add`].
    pub fn add_gzip(
        &mut self,
        tag: &str,
        layers: &[Vec<ImageFile>],
        command: &ImageCommand,
    ) -> Result<String, LayoutError> {
        let (mut blobs, mut diff_ids) = (Vec::new(), Vec::new());
        for files in layers {
            let tar = self.tar_of(files)?;
            diff_ids.push(json!(format!(
                "sha256:{}",
                hex::encode(Sha256::digest(&tar))
            )));
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            let compressed = gzip.write_all(&tar).and_then(|()| gzip.finish());
            let compressed = compressed.map_err(|source| self.failed(source))?;
            blobs.push(self.blob(LAYER_GZIP, &compressed)?);
        }
        self.add_layers(tag, &blobs, &diff_ids, command)
    }

    fn add_layers(
        &mut self,
        tag: &str,
        layers: &[Value],
        diff_ids: &[Value],
        command: &ImageCommand,
    ) -> Result<String, LayoutError> {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Entrypoint": command.entrypoint, "Env": command.env },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.blob(CONFIG, config.to_string().as_bytes())?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": layers,
        });
        let mut manifest = self.blob(MANIFEST, manifest.to_string().as_bytes())?;
        let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        self.manifests.push(manifest);
        self.write(
            "index.json",
            &json!({ "schemaVersion": 2, "manifests": self.manifests }),
        )?;
        Ok(digest)
    }

    fn tar_of(&self, files: &[ImageFile]) -> Result<Vec<u8>, LayoutError> {
        tar_of(files).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> LayoutError {
        let path = self.dir.clone();
        LayoutError { path, source }
    }

    /// Writes a blob and gives its descriptor.
    fn blob(&self, media_type: &str, content: &[u8]) -> Result<Value, LayoutError> {
        let hex = hex::encode(Sha256::digest(content));
        let path = self.dir.join("blobs/sha256").join(&hex);
        fs::write(&path, content).map_err(|source| LayoutError { path, source })?;
        let digest = format!("sha256:{hex}");
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": content.len() }))
    }

    fn write(&self, name: &str, content: &Value) -> Result<(), LayoutError> {
        let path = self.dir.join(name);
        fs::write(&path, content.to_string()).map_err(|source| LayoutError { path, source })
    }
}

fn tar_of(files: &[ImageFile]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(EPOCH);
        archive.append_data(&mut header, &file.path, file.content.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_library_finds_every_digest_of_a_written_layout_right() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = LayoutWriter::create(dir.path()).unwrap();
        let file = ImageFile {
            path: "app".to_owned(),
            mode: 0o755,
            content: b"#!".to_vec(),
        };
        for tag in ["one", "two"] {
            let env = vec![format!("TAG={tag}")];
            let command = ImageCommand {
                entrypoint: vec!["/app".to_owned()],
                env,
            };
            layout
                .add(tag, std::slice::from_ref(&file), &command)
                .unwrap();
        }
        orlop_image::verify_layout(dir.path()).unwrap();
        let images = orlop_image::images_of_layout(dir.path()).unwrap();
        let tags: Vec<_> = images
            .iter()
            .map(|image| image.tag.as_deref().unwrap())
            .collect();
        assert_eq!(tags, ["one", "two"]);
    }

    #[test]
    fn layers_are_compressed_and_named_by_what_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = LayoutWriter::create(dir.path()).unwrap();
        let layer = |path: &str| {
            vec![ImageFile {
                path: path.to_owned(),
                mode: 0o644,
                content: vec![0; 1 << 20],
            }]
        };
        layout
            .add_gzip("one", &[layer("a"), layer("b")], &ImageCommand::default())
            .unwrap();
        orlop_image::verify_layout(dir.path()).unwrap();
        let blobs = fs::read_dir(dir.path().join("blobs/sha256")).unwrap();
        let sizes = blobs.map(|blob| blob.unwrap().metadata().unwrap().len());
        assert!(sizes.sum::<u64>() < 1 << 17);
    }
}
