//! Where the control groups of containers are mounted.

use super::spec::unit_group;
use std::path::{Path, PathBuf};

/// Where the control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// Groups deeper than this below a unit's are a container's own business.
pub(super) const MAX_DEPTH: usize = 8;

/// The control group of a unit, where it is mounted.
pub(super) fn group_of(unit: &str) -> PathBuf {
    let group = unit_group(unit);
    Path::new(GROUPS).join(group.strip_prefix("/").unwrap_or(&group))
}
