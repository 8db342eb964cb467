//! Where things lie on the state partition (docs/design/loop.md).

use orlop_config::RootDigest;
use std::path::{Path, PathBuf};

/// Label of the state partition's ext4.
pub const LABEL: &str = "orlop";

/// The content store.
pub fn store(state: &Path) -> PathBuf {
    state.join("store")
}

/// The store's objects, the data layer of every root.
pub fn objects(state: &Path) -> PathBuf {
    state.join("store/objects")
}

/// Present while the store's objects still lack fs-verity.
pub fn unsealed_marker(state: &Path) -> PathBuf {
    state.join("store/unsealed")
}

/// The EROFS image of a root file system. An image is an object like any other, named by its own
/// digest; names under `images/` are only references and are not trusted.
pub fn image(state: &Path, root: &RootDigest) -> PathBuf {
    let (dir, file) = root.as_str().split_at(2);
    objects(state).join(dir).join(file)
}

/// The agent's own files.
pub fn agent(state: &Path) -> PathBuf {
    state.join("orlop")
}

/// The node's machine id.
pub fn machine_id(state: &Path) -> PathBuf {
    state.join("orlop/machine-id")
}

/// What is bound to `/var`.
pub fn var(state: &Path) -> PathBuf {
    state.join("var")
}
