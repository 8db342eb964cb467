//! From layer blobs to an image in the store. Blocking.

use crate::blob_reader::{Digests, read_blob, unpacked_limit};
use crate::cancel_flag::CancelFlag;
use crate::composefs_store::is_no_space;
use crate::content_store::ContentStore;
use crate::layer::{Budget, LayerEntry, ReadError, read_entries};
use crate::layer_error::LayerError;
use crate::limits::MAX_UKI_BYTES;
use crate::pull_error::PullError;
use crate::store_error::StoreError;
use crate::tar_header::EntryKind;
use crate::tar_reader::TarReader;
use orlop_config::Digest;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The file in the UKI layer.
const UKI_NAME: &[u8] = b"orlop.efi";

/// A layer blob that is on this machine.
#[derive(Clone, Debug)]
pub(crate) struct LayerBlob {
    pub(crate) path: PathBuf,
    /// What messages call it: `layer 1 of 2`.
    pub(crate) what: String,
    pub(crate) image: String,
    pub(crate) digest: Digest,
    pub(crate) diff_id: Digest,
    pub(crate) size_bytes: u64,
}

/// Reads a layer of the root file system: files go to `store`, the rest comes back.
pub(crate) fn import_layer(
    layer: &LayerBlob,
    store: &dyn ContentStore,
    budget: &Budget,
    cancel: &CancelFlag,
    on_bytes: &(dyn Fn(u64) + Sync),
) -> Result<Vec<LayerEntry>, PullError> {
    layer.read(cancel, on_bytes, |tar| {
        read_entries(tar, store, budget.layer(layer.size_bytes), cancel)
    })
}

/// Unpacks the UKI layer's one file to a temporary file in `dir`, durable but without its name.
pub(crate) fn extract_uki(
    layer: &LayerBlob,
    dir: &Path,
    cancel: &CancelFlag,
    on_bytes: &(dyn Fn(u64) + Sync),
) -> Result<NamedTempFile, PullError> {
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(dir)
        .map_err(|source| layer.io("write", dir, source))?;
    let found = layer.read(cancel, on_bytes, |tar| copy_uki(tar, &mut file, dir))?;
    if !found {
        let why = "its UKI layer has no file orlop.efi".to_owned();
        return Err(PullError::NotOs {
            image: layer.image.clone(),
            why,
        });
    }
    file.as_file()
        .sync_all()
        .map_err(|source| layer.io("write", dir, source))?;
    Ok(file)
}

fn copy_uki(tar: &mut dyn Read, file: &mut NamedTempFile, dir: &Path) -> Result<bool, ReadError> {
    let mut tar = TarReader::new(tar);
    while let Some(entry) = tar.next()? {
        let name = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
        if name != UKI_NAME || entry.kind != EntryKind::File {
            continue;
        }
        if entry.size > MAX_UKI_BYTES {
            let path = String::from_utf8_lossy(name).into_owned();
            let what = "the UKI's size";
            return Err(LayerError::Limit {
                what,
                limit: MAX_UKI_BYTES,
                path,
            }
            .into());
        }
        return match io::copy(&mut tar, file) {
            Ok(_) => Ok(true),
            Err(source) => Err(match tar.take_fault() {
                Some(fault) => ReadError::Layer(fault),
                None => ReadError::Store(crate::store::io_error("write", dir, source)),
            }),
        };
    }
    Ok(false)
}

impl LayerBlob {
    /// Lets `consume` read the tar, and checks both digests after it.
    fn read<T>(
        &self,
        cancel: &CancelFlag,
        on_bytes: &(dyn Fn(u64) + Sync),
        consume: impl FnOnce(&mut dyn Read) -> Result<T, ReadError>,
    ) -> Result<T, PullError> {
        let file = File::open(&self.path).map_err(|source| self.io("read", &self.path, source))?;
        let size = file
            .metadata()
            .map_err(|source| self.io("read", &self.path, source))?
            .len();
        if size != self.size_bytes {
            let (expected, got) = (self.size_bytes, size);
            return Err(self.mismatch(
                "size",
                &format!("{expected} bytes"),
                &format!("{got} bytes"),
            ));
        }
        let limit = unpacked_limit(size);
        let (result, digests) = read_blob(file, limit, cancel, on_bytes, consume);
        if cancel.is_set() {
            return Err(PullError::Cancelled {
                image: self.image.clone(),
            });
        }
        let digests = digests.map_err(|source| self.io("read", &self.path, source))?;
        // A wrong blob first: it explains whatever went wrong in reading it.
        self.check(&digests, false)?;
        let value = result.map_err(|error| self.error(error))?;
        self.check(&digests, true)?;
        Ok(value)
    }

    fn check(&self, digests: &Digests, with_diff_id: bool) -> Result<(), PullError> {
        let blob = (self.digest.as_str(), digests.blob.as_str(), "blob");
        let diff_id = digests.diff_id.as_ref().map_or("nothing", Digest::as_str);
        let tar = (self.diff_id.as_str(), diff_id, "diff_id");
        let (expected, got, which) = if with_diff_id { tar } else { blob };
        if expected == got {
            return Ok(());
        }
        Err(self.mismatch(which, expected, got))
    }

    fn mismatch(&self, which: &str, expected: &str, got: &str) -> PullError {
        PullError::DigestMismatch {
            what: format!("{} ({which})", self.what),
            image: self.image.clone(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        }
    }

    fn error(&self, error: ReadError) -> PullError {
        match error {
            ReadError::Layer(LayerError::Cancelled) => PullError::Cancelled {
                image: self.image.clone(),
            },
            ReadError::Layer(source) => PullError::Layer {
                what: self.what.clone(),
                image: self.image.clone(),
                source,
            },
            ReadError::Store(error) => store_error(&self.image, error),
        }
    }

    fn io(&self, verb: &'static str, path: &Path, source: io::Error) -> PullError {
        if is_no_space(&source) {
            let path = path.to_owned();
            PullError::NoSpace {
                image: self.image.clone(),
                path,
                needed_bytes: None,
            }
        } else {
            PullError::Io {
                verb,
                path: path.to_owned(),
                source,
            }
        }
    }
}

/// A store's error as a pull's; a full disk names the image.
pub(crate) fn store_error(image: &str, error: StoreError) -> PullError {
    match error {
        StoreError::NoSpace { path } => PullError::NoSpace {
            image: image.to_owned(),
            path,
            needed_bytes: None,
        },
        other => PullError::Store(other),
    }
}
