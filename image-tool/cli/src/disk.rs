//! `orlop-image disk`: a disk that boots an OS image.

use crate::failure::Failure;
use clap::Args;

/// Makes a disk image that boots an OS image.
#[derive(Debug, Args)]
pub(crate) struct DiskArgs {}

pub(crate) fn run(_args: &DiskArgs) -> Result<(), Failure> {
    Ok(())
}
