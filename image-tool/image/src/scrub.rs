//! Reading everything in the store, to find what a disk has damaged.

use crate::composefs_store::digest_of;
use crate::content_store::ContentStore;
use crate::erofs::objects_in;
use crate::store::{LockMode, Store, io_error, list};
use crate::store_error::StoreError;
use composefs::fsverity::FsVerityHashValue;
use orlop_config::RootDigest;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Objects that were read.
    pub checked: u64,
    /// Bytes that were read.
    pub checked_bytes: u64,
    /// Objects that were not what their name says (64 hex digits); they are gone now.
    pub broken: Vec<String>,
    /// Images that lack an object now, or whose metadata is broken: pull them again. Their records
    /// are gone, so that a pull fetches them.
    pub incomplete: Vec<RootDigest>,
}

impl Store {
    /// Reads every object, and removes those that are not what their name says. Blocking, and as
    /// long as reading the whole store takes. Waits for, and keeps out, pulls and garbage
    /// collection.
    pub fn scrub(&self) -> Result<ScrubReport, StoreError> {
        let _lock = self.lock(LockMode::Shared)?;
        let mut report = ScrubReport::default();
        for directory in list(&self.dir().join("objects"))? {
            if directory.is_dir() {
                for object in list(&directory)? {
                    self.scrub_object(&object, &mut report)?;
                }
            }
        }
        self.drop_incomplete(&mut report)?;
        if !report.broken.is_empty() {
            log::error!(broken = report.broken.len(), images = report.incomplete.len();
                "the store was damaged; what was broken is removed");
        }
        Ok(report)
    }

    fn scrub_object(&self, path: &Path, report: &mut ScrubReport) -> Result<(), StoreError> {
        let part = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let name = path.parent().map(part).unwrap_or_default() + &part(path);
        let digest = File::open(path).and_then(digest_of);
        report.checked += 1;
        match digest {
            Ok((digest, size)) => {
                report.checked_bytes += size;
                if digest.to_hex() == name {
                    return Ok(());
                }
            }
            // Gone since the directory was read.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // fs-verity and failing disks say EIO.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {}
            Err(source) => return Err(io_error("read", path, source)),
        }
        fs::remove_file(path).map_err(|source| io_error("remove", path, source))?;
        report.broken.push(name);
        Ok(())
    }

    /// Removes the records of images that lack something.
    fn drop_incomplete(&self, report: &mut ScrubReport) -> Result<(), StoreError> {
        for record in self.records()? {
            if self.is_complete(&record.root)?
                && (record.os().is_none() || self.has_uki(&record.root))
            {
                continue;
            }
            let path = self.record_path(&record.manifest);
            fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
            if !report.incomplete.contains(&record.root) {
                report.incomplete.push(record.root);
            }
        }
        Ok(())
    }

    fn has_uki(&self, root: &RootDigest) -> bool {
        self.uki_path(root).exists()
    }

    fn is_complete(&self, root: &RootDigest) -> Result<bool, StoreError> {
        let store = self.open()?;
        let image = match store.read_image(root) {
            Ok(image) => image,
            Err(StoreError::NoImage { .. } | StoreError::DamagedImage { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok(objects) = objects_in(&image) else {
            return Ok(false);
        };
        for (_, object) in objects {
            if !store.has_object(&object)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
