//! Removing what no image needs any more.

use crate::atomic_write::{remove_if_there, sync_dir};
use crate::store::{LockMode, Store, io_error, list};
use crate::store_error::StoreError;
use orlop_config::{Digest, RootDigest};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A download that nobody went on with for this long is given up.
const MAX_PARTIAL_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How temporary names begin: ours (`atomic_write`) and those of composefs 0.9.4.
const TEMPORARY: [&str; 2] = [".new-", ".symlink-"];

/// What a garbage collection removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Objects removed.
    pub objects: u64,
    /// Bytes that this freed.
    pub bytes: u64,
    /// Images (records) removed.
    pub images: u64,
    /// Partial downloads removed.
    pub partials: u64,
}

impl Store {
    /// Forgets an image: its record goes, and with the next [`Store::gc`] what only it needed. Says whether it
    /// was there. Blocking, as that is. Durable on return.
    pub fn forget(&self, manifest: &Digest) -> Result<bool, StoreError> {
        let _lock = self.lock(LockMode::Exclusive)?;
        let gone = remove(&self.record_path(manifest))?;
        let records = self.side("records");
        sync_dir(&records).map_err(|source| io_error("sync", &records, source))?;
        Ok(gone)
    }

    /// Removes everything that no image of `keep` needs: objects, records, UKIs, partial downloads
    /// older than a day, and temporary names that a power cut left. Blocking; waits until no pull is
    /// under way. Records go first, so that a crash leaves no record without its objects.
    pub fn gc(&self, keep: &BTreeSet<RootDigest>) -> Result<GcReport, StoreError> {
        let _lock = self.lock(LockMode::Exclusive)?;
        let mut report = GcReport::default();
        for record in self.records()? {
            if !keep.contains(&record.root) {
                report.images += u64::from(remove(&self.record_path(&record.manifest))?);
            }
        }
        let records = self.side("records");
        for dir in [&records, &self.dir().join("images")] {
            remove_leftovers(dir)?;
        }
        sync_dir(&records).map_err(|source| io_error("sync", &records, source))?;
        for uki in list(&self.side("uki"))? {
            let root = uki.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if !root.is_some_and(|root: RootDigest| keep.contains(&root)) {
                remove(&uki)?;
            }
        }
        self.forget_layers()?;
        for partial in list(&self.side("partial"))? {
            if is_stale(&partial) {
                report.partials += u64::from(remove(&partial)?);
            }
        }
        let roots: Vec<&str> = keep.iter().map(RootDigest::as_str).collect();
        (report.objects, report.bytes) = self.collect(&roots)?;
        Ok(report)
    }

    /// Removes the objects that no image here is made of: what a pull that will never succeed has
    /// unpacked. Images stay, with or without record. The caller holds the store's lock.
    pub(crate) fn drop_strays(&self) -> Result<(), StoreError> {
        self.forget_layers()?;
        let images = self.dir().join("images");
        let named = if images.exists() {
            list(&images)?
        } else {
            Vec::new()
        };
        let names = named.iter().filter_map(|path| path.file_name()?.to_str());
        self.collect(&names.collect::<Vec<_>>())?;
        let objects = self.dir().join("objects");
        for directory in list(&objects)? {
            match fs::remove_dir(&directory) {
                Err(error) if error.kind() != std::io::ErrorKind::DirectoryNotEmpty => {
                    return Err(io_error("remove", &directory, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what the images of these names do not need: how many objects, and how many bytes.
    fn collect(&self, images: &[&str]) -> Result<(u64, u64), StoreError> {
        let store = self.open()?;
        let removed = store
            .repository()
            .gc(images)
            .map_err(|e| StoreError::Object {
                verb: "remove unused objects",
                dir: self.dir().to_owned(),
                why: format!("{e:#}"),
            })?;
        Ok((removed.objects_removed, removed.objects_bytes))
    }
}

/// Removes the temporary names that a power cut left in `dir`. Nobody else writes now. The folder of the
/// images comes with the first of them.
fn remove_leftovers(dir: &Path) -> Result<(), StoreError> {
    if !dir.exists() {
        return Ok(());
    }
    for path in list(dir)? {
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| TEMPORARY.iter().any(|prefix| name.starts_with(prefix))) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<bool, StoreError> {
    remove_if_there(path).map_err(|source| io_error("remove", path, source))
}

fn is_stale(path: &Path) -> bool {
    let age = fs::metadata(path)
        .and_then(|m| m.modified())
        .ok()
        .and_then(|t| t.elapsed().ok());
    age.is_some_and(|age| age > MAX_PARTIAL_AGE)
}
