//! `orlop-image disk`: a disk that boots an OS image.

mod esp;
mod partitions;
mod size;
mod state;

use crate::failure::Failure;
use crate::tool::ToolError;
use clap::Args;
use esp::{EspError, EspFiles};
use orlop_config::{ImageRef, RootDigest};
use orlop_image::Store;
use partitions::{PartitionError, Partitions};
use state::StateError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// systemd-boot, in the OS image.
const BOOT_LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/// Makes a disk image that boots an OS image: boot loader, UKI, and a store with the image.
#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    /// OCI image layout directory and the image's name in it
    #[arg(long, value_name = "LAYOUT[:TAG]")]
    image: String,
    /// The disk image, a raw file with holes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Size of the disk
    #[arg(long, default_value = "4G", value_parser = size::parse)]
    size: u64,
    /// Size of the EFI system partition
    #[arg(long, default_value = "512M", value_parser = size::parse)]
    esp_size: u64,
    /// The node's TOML, for its first boot
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What making a disk cannot do.
#[derive(Debug, thiserror::Error)]
enum DiskError {
    #[error("cannot find the layout directory {path}")]
    NoLayout { path: PathBuf, source: io::Error },
    #[error("cannot make a scratch directory beside {path}")]
    Scratch { path: PathBuf, source: io::Error },
    #[error("cannot make a disk of this image: it has no {BOOT_LOADER}")]
    NoBootLoader,
    #[error("cannot name the finished disk {path}")]
    Rename { path: PathBuf, source: io::Error },
}

/// Makes the disk, and says on stdout what is on it, as JSON. A file of that name is replaced, when
/// the new one is whole.
pub(crate) fn run(args: &DiskArgs) -> Result<(), Failure> {
    let image = layout_reference(&args.image)?;
    let partitions = Partitions::plan(args.size, args.esp_size)?;
    let beside = match args.output.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let scratch = tempfile::tempdir_in(beside).map_err(|source| DiskError::Scratch {
        path: args.output.clone(),
        source,
    })?;
    let (state_dir, esp_dir) = (scratch.path().join("state"), scratch.path().join("esp"));
    let (store, record) = state::fill(&state_dir, &image)?;
    let version = record.os().map(|(version, _)| version).unwrap_or_default();

    let disk = scratch.path().join("disk");
    let with_hint = |error: ToolError| {
        let hint = error.hint();
        Failure::with_hint(error, hint)
    };
    partitions.write(&disk).map_err(|error| match error {
        PartitionError::Tool(error) => with_hint(error),
        error => error.into(),
    })?;
    let files = EspFiles {
        boot_loader: &boot_loader(&store, &record.root)?,
        uki: &store.uki_path(&record.root),
        root: &record.root,
        version,
        config: args.config.as_deref(),
    };
    files
        .write(&disk, partitions.esp, &esp_dir)
        .map_err(|error| match error {
            EspError::Tool(error) => with_hint(error),
            error => error.into(),
        })?;
    state::write(&disk, partitions.state, &state_dir).map_err(|error| match error {
        StateError::Tool(error) => with_hint(error),
        error => error.into(),
    })?;
    fs::rename(&disk, &args.output).map_err(|source| DiskError::Rename {
        path: args.output.clone(),
        source,
    })?;
    let summary = serde_json::json!({
        "disk": args.output,
        "version": version,
        "root": record.root,
        "manifest": record.manifest,
    });
    println!("{summary:#}");
    Ok(())
}

/// `LAYOUT[:TAG]`, with the directory made absolute.
fn layout_reference(text: &str) -> Result<ImageRef, DiskError> {
    let (dir, tag) = match text.rsplit_once(':') {
        Some((dir, tag)) if !tag.contains('/') => (dir, Some(tag.to_owned())),
        _ => (text, None),
    };
    let absolute = fs::canonicalize(dir).map_err(|source| DiskError::NoLayout {
        path: dir.into(),
        source,
    })?;
    Ok(ImageRef::Layout {
        dir: absolute.display().to_string(),
        tag,
    })
}

fn boot_loader(store: &Store, root: &RootDigest) -> Result<PathBuf, Failure> {
    let mut objects = store.objects(root)?;
    Ok(objects
        .remove(Path::new(BOOT_LOADER))
        .ok_or(DiskError::NoBootLoader)?)
}
