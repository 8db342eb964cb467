//! Small records that the runtime keeps, one file each, for root alone. All blocking.

use super::error::StepError;
use orlop_initrd::atomic_write::atomic_write;
use serde::Serialize;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Writes `record` as JSON to the file `name` of `dir`, which is made where it is not there. Whole and on disk
/// on return. Idempotent.
pub(super) fn write(dir: &Path, name: &str, record: &impl Serialize) -> Result<(), StepError> {
    let made = DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
    made.map_err(StepError::file("create", dir))?;
    let path = dir.join(name);
    let text = serde_json::to_vec(record).expect("plain data serialises");
    atomic_write(&path, &text, FILE_MODE).map_err(StepError::file("write", &path))
}
