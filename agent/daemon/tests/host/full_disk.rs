//! A state partition that is full.

use super::{ROOT, ended, os_image, settled, stage, start};
use nix::sched::{CloneFlags, unshare};
use orlop_api::{FaultKind, JobState, Phase};
use orlop_core::paths as core_paths;
use orlopd::ops::Operations as _;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use std::fs;
use std::path::PathBuf;

/// Room for the store of the node.
const STORE_BYTES: u64 = 3 << 20;

/// A small file system in a mount namespace of the calling thread: gone with the thread, if not
/// before.
struct Small(PathBuf);

impl Small {
    fn new(path: PathBuf, bytes: u64) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        fs::create_dir_all(&path).unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        let flags = MountFlags::empty();
        mount("tmpfs", &path, "tmpfs", flags, options.as_c_str()).unwrap();
        Self(path)
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

#[tokio::test]
async fn an_image_that_does_not_fit_changes_nothing_and_its_space_is_given_back() {
    let (dir, paths) = settled();
    let small = Small::new(paths.place("/state/store"), STORE_BYTES);
    let host = start(&paths, Phase::Idle).await;
    let state = fs::read(paths.place(core_paths::STATE)).unwrap();
    let free = small.free();
    // The first file fits, and is in the store when the second one does not.
    let files = [("usr/a", vec![1; 2 << 20]), ("usr/b", vec![2; 2 << 20])];
    let os = os_image::make_of(dir.path(), "2", &files);
    let job = ended(&host, host.stage(stage(&os.reference), ROOT).await.unwrap()).await;
    let JobState::Failed { fault } = &job.state else {
        panic!("{job:?}")
    };
    let expected = format!(
        "cannot keep {}: no space left in {}",
        os.reference,
        small.0.display()
    );
    assert_eq!(
        (fault.kind, &fault.message),
        (FaultKind::Transient, &expected)
    );
    assert_eq!(
        fault.hints,
        [
            "nothing of it is kept; make room on the node's state partition (fewer containers or \
             volumes in its TOML, or a bigger disk), and try again"
        ]
    );
    assert_eq!(small.free(), free);
    assert_eq!(fs::read(paths.place(core_paths::STATE)).unwrap(), state);
    let fits = os_image::make_of(dir.path(), "3", &files[..1]);
    let job = ended(
        &host,
        host.stage(stage(&fits.reference), ROOT).await.unwrap(),
    )
    .await;
    assert!(matches!(job.state, JobState::Done { .. }), "{job:?}");
}
