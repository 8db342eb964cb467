//! The folders of a namespace node: what `orlop-image disk` puts on a disk, for a machine that
//! has no disk.

use crate::spec::NodeDisk;
use orlop_config::{ImageRef, ImageRefError};
use orlop_core::boot::{BootSequence, Entry};
use orlop_core::paths;
use orlop_image::{Expect, ImageRecord, PullError, PullOptions, Store, StoreError, Verity, pull};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Where the ESP is mounted on a node; the agent's paths begin with it.
const ESP_MOUNT: &str = "/efi/";
/// The ESP's loader configuration, as docs/design/loop.md gives it.
const LOADER_CONF: &str = "timeout 0\neditor no\n";

/// A node's folders cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum NodeDirError {
    /// There is no layout.
    #[error("cannot find the layout {path}")]
    Layout {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The layout cannot be named.
    #[error("cannot name the image in {layout}")]
    Reference {
        /// The layout's folder.
        layout: PathBuf,
        /// Why.
        source: ImageRefError,
    },
    /// The store cannot be made.
    #[error("cannot make the store in {path}")]
    Store {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// No threads for the import.
    #[error("cannot start the import of an image")]
    Runtime(#[source] io::Error),
    /// The image cannot be imported.
    #[error("cannot import {image}")]
    Import {
        /// Its reference.
        image: String,
        /// Why.
        source: Box<PullError>,
    },
    /// The image is not an OS image.
    #[error("cannot boot {0}: it is not an OS image")]
    NotAnOs(String),
    /// A file or folder cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes `state/` and `efi/` in `dir` for a node that boots the image `tag` of an OCI layout (the
/// only one if `tag` is none) and takes `config` as its TOML at the first boot.
///
/// # Errors
/// Each variant of [`NodeDirError`] is a step; what was made until then stays in `dir`.
pub fn from_layout(
    layout: &Path,
    tag: Option<&str>,
    config: &str,
    dir: &Path,
) -> Result<NodeDisk, NodeDirError> {
    let disk = NodeDisk {
        state: dir.join("state"),
        efi: dir.join("efi"),
    };
    make_dir(&disk.state.join("var"))?;
    let store_dir = disk.state.join("store");
    // Namespace machines run without fs-verity: the host's file systems seldom have it.
    let store =
        Store::open_or_init(&store_dir, Verity::Off).map_err(|source| NodeDirError::Store {
            path: store_dir,
            source,
        })?;
    let record = import(&store, layout, tag)?;
    let (version, _) = record
        .os()
        .ok_or_else(|| NodeDirError::NotAnOs(record.reference.clone()))?;

    let entry = Entry::new(version, BootSequence(1), record.root.clone());
    let file = entry.file(None);
    let uki = on_esp(&disk, &paths::uki(&record.root));
    let entries = on_esp(&disk, paths::ENTRIES);
    for folder in [
        on_esp(&disk, paths::UKIS),
        entries.clone(),
        disk.efi.join("orlop"),
    ] {
        make_dir(&folder)?;
    }
    fs::copy(store.uki_path(&record.root), &uki)
        .map_err(|source| NodeDirError::Write { path: uki, source })?;
    write(&entries.join(file.name), &file.content)?;
    write(&disk.efi.join("loader/loader.conf"), LOADER_CONF)?;
    write(&disk.efi.join("orlop/node.toml"), config)?;
    Ok(disk)
}

fn import(store: &Store, layout: &Path, tag: Option<&str>) -> Result<ImageRecord, NodeDirError> {
    let colon_tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let absolute = layout
        .canonicalize()
        .map_err(|source| NodeDirError::Layout {
            path: layout.to_owned(),
            source,
        })?;
    let text = format!("oci:{}{colon_tag}", absolute.display());
    let image: ImageRef = text.parse().map_err(|source| NodeDirError::Reference {
        layout: layout.to_owned(),
        source,
    })?;
    let options = PullOptions::default().expecting(Expect::Os);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(NodeDirError::Runtime)?;
    let never = CancellationToken::new();
    runtime
        .block_on(pull(store, &image, &options, &|_| {}, &never))
        .map_err(|source| NodeDirError::Import {
            image: text,
            source: Box::new(source),
        })
}

/// Where a file of the node's `/efi` is on the host.
fn on_esp(disk: &NodeDisk, path: &str) -> PathBuf {
    disk.efi.join(path.trim_start_matches(ESP_MOUNT))
}

fn make_dir(path: &Path) -> Result<(), NodeDirError> {
    fs::create_dir_all(path).map_err(|source| NodeDirError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, content: &str) -> Result<(), NodeDirError> {
    fs::write(path, content).map_err(|source| NodeDirError::Write {
        path: path.to_owned(),
        source,
    })
}
