//! The root of a live swap: made complete at `/run/nextroot`, where a soft reboot looks for it
//! (systemd-soft-reboot.service(8)).

use crate::booted::Boot;
use crate::mount_point::unmount_all;
use crate::paths::Paths;
use orlop_config::RootDigest;
use orlop_initrd::{RootError, RootSpec, Verity, prepare};
use rustix::mount::mount_bind;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A root that could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum NextRootError {
    /// What an earlier, interrupted swap left there cannot be taken away.
    #[error("cannot clear {}", .path.display())]
    Clear {
        /// The mount point.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The mount point.
    #[error("cannot make {}", .path.display())]
    Make {
        /// The mount point.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The image.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The ESP, which the new root needs too.
    #[error("cannot bring {} along", .path.display())]
    Esp {
        /// Its mount point.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes the image `root` ready to be entered, with the verity of the root that runs. Nothing stays
/// mounted where it fails. Blocks for some milliseconds.
///
/// # Errors
/// [`NextRootError`]: a step failed.
pub fn make_ready(paths: &Paths, boot: &Boot, root: &RootDigest) -> Result<(), NextRootError> {
    discard(paths)?;
    let target = paths.next_root();
    fs::create_dir_all(&target).map_err(|source| NextRootError::Make {
        path: target.clone(),
        source,
    })?;
    prepare(&RootSpec {
        state: paths.place("/state"),
        root: root.clone(),
        verity: if boot.verity {
            Verity::Required
        } else {
            Verity::Off
        },
        target: target.clone(),
        before: Some(paths.place("/")),
    })?;
    let brought = bring_esp(paths, &target);
    if brought.is_err() {
        // The first error is the one to tell.
        if let Err(error) = discard(paths) {
            log::warn!("ignoring: {error}");
        }
    }
    brought
}

/// Takes away what was made ready, whatever there is of it.
///
/// # Errors
/// [`NextRootError::Clear`].
pub fn discard(paths: &Paths) -> Result<(), NextRootError> {
    let target = paths.next_root();
    unmount_all(&target).map_err(|errno| NextRootError::Clear {
        path: target,
        source: errno.into(),
    })
}

/// The ESP stays mounted all the time: nothing has to be read to find it again.
fn bring_esp(paths: &Paths, target: &Path) -> Result<(), NextRootError> {
    let (esp, place) = (paths.esp(), target.join("efi"));
    mount_bind(&esp, &place).map_err(|errno| NextRootError::Esp {
        path: esp,
        source: errno.into(),
    })
}
