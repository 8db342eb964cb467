//! The state partition: a store with the OS image, to be sealed at the first boot.

use super::partitions::Extent;
use crate::tool::{self, ToolError};
use orlop_config::ImageRef;
use orlop_image::{Expect, ImageRecord, PullError, PullOptions, Store, StoreError, Verity, pull};
use orlop_initrd::state;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// A state partition that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot start the import")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// Fills the empty directory `dir` with what a state partition has before its first boot. The
/// machine that makes it need not have fs-verity; the node seals the store when it boots first
/// (docs/adr/0004-first-boot-sealing.md).
pub(crate) fn fill(dir: &Path, image: &ImageRef) -> Result<(Store, ImageRecord), StateError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Write { path, source }
    };
    let agent = state::agent(dir);
    for made in [&agent, &state::var(dir)] {
        fs::create_dir_all(made).map_err(write(made))?;
    }
    fs::set_permissions(&agent, Permissions::from_mode(0o700)).map_err(write(&agent))?;
    fs::set_permissions(dir, Permissions::from_mode(0o755)).map_err(write(dir))?;
    let store = Store::open_or_init(&state::store(dir), Verity::Off)?;
    let options = PullOptions::default().expecting(Expect::Os);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(StateError::Runtime)?;
    let cancel = CancellationToken::new();
    let record = runtime.block_on(pull(&store, image, &options, &|_progress| {}, &cancel))?;
    let marker = state::unsealed_marker(dir);
    fs::write(&marker, "").map_err(write(&marker))?;
    Ok((store, record))
}

/// Makes the state partition out of `dir` in its place on the disk.
pub(crate) fn write(disk: &Path, place: Extent, dir: &Path) -> Result<(), StateError> {
    let (disk, dir) = (disk.display().to_string(), dir.display().to_string());
    let extended = format!(
        "offset={},lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
        place.offset
    );
    let length = format!("{}k", place.length / 1024);
    let args = [
        "-q",
        "-F",
        "-b",
        "4096",
        "-m",
        "0",
        "-O",
        "verity,project",
        "-L",
        state::LABEL,
        "-E",
        &extended,
        "-d",
        &dir,
        &disk,
        &length,
    ];
    tool::run(
        "make the state partition's file system",
        "mkfs.ext4",
        &args,
        "",
    )?;
    // Not at once: mkfs.ext4 would not count what it puts into the file system.
    let at = format!("{disk}?offset={}", place.offset);
    let args = ["-Q", "prjquota", &at];
    Ok(tool::run(
        "count what the state partition holds",
        "tune2fs",
        &args,
        "",
    )?)
}
