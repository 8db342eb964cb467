//! The small init that is the first process of containers with `init = true`. They get a copy in memory, which
//! all share.

use super::error::StepError;
use super::places::Places;
use super::run_copy;

/// Where it is in a container: always a file system of the container's own.
pub(super) const INSIDE: &str = "/dev/init";

/// Sees to it that the copy is there and is that of the OS that runs. Blocking.
///
/// # Errors
/// Where the OS has none, or the copy cannot be written.
pub(super) fn provide(places: &Places) -> Result<(), StepError> {
    run_copy::provide(&places.os_init, &places.init_copy())
}
