//! Mounting images: EROFS metadata under an overlay whose data-only lower layer is the objects.
//!
//! A writable mount is *one* overlay with the upper layer on top of these two: a second overlay over
//! a mounted image would be too deep for the kernel, which lets file systems stack two levels, and
//! EROFS on a file already counts as one.

use crate::store::{Store, Verity};
use crate::store_error::StoreError;
use composefs::mount::{MountOptions, VerityRequirement, composefs_fsmount, mount_at};
use orlop_config::RootDigest;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

impl Store {
    /// Mounts an image read-only on `target`, by digest. With [`Verity::Required`] a read of
    /// anything but the right bytes gives EIO.
    pub fn mount(&self, root: &RootDigest, target: &Path) -> Result<(), StoreError> {
        self.mount_with(root, MountOptions::default(), target)
    }

    /// Mounts an image on `target`, writable: what is written goes to `upper`. `work` is an empty
    /// directory on the same file system as `upper`. With `ids`, a user namespace, the image's files belong to
    /// the ids that its own ids are mapped to there.
    pub fn mount_with_upper(
        &self,
        root: &RootDigest,
        upper: &Path,
        work: &Path,
        ids: Option<BorrowedFd<'_>>,
        target: &Path,
    ) -> Result<(), StoreError> {
        let mut options = MountOptions::default();
        options
            .set_overlay(open_dir(upper)?, open_dir(work)?)
            .set_read_write(true);
        if let Some(ids) = ids {
            let ids = ids.try_clone_to_owned().map_err(|e| StoreError::Mount {
                root: root.clone(),
                target: target.to_owned(),
                why: e.to_string(),
            })?;
            options.set_idmap(ids);
        }
        self.mount_with(root, options, target)
    }

    fn mount_with(
        &self,
        root: &RootDigest,
        options: MountOptions,
        target: &Path,
    ) -> Result<(), StoreError> {
        let fail = |why: String| StoreError::Mount {
            root: root.clone(),
            target: target.to_owned(),
            why,
        };
        let store = self.open()?;
        let image = OwnedFd::from(store.open_image(root)?);
        let objects = store
            .repository()
            .objects_dir()
            .map_err(|e| fail(e.to_string()))?;
        let verity = match self.verity() {
            Verity::Required => VerityRequirement::Required,
            Verity::Off => VerityRequirement::Disabled,
        };
        let mount = composefs_fsmount(image, root.as_str(), &[objects.as_fd()], verity, &options)
            .map_err(|e| fail(format!("{e:#}")))?;
        let place = target.canonicalize().map_err(|e| fail(e.to_string()))?;
        mount_at(mount, CWD, &place).map_err(|e| fail(format!("{e:#}")))
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|e| StoreError::Io {
        verb: "open",
        path: path.to_owned(),
        source: e.into(),
    })
}
