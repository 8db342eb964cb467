//! The disk's partition table: the ESP, and the state partition on the rest.

use crate::tool::{self, ToolError};
use std::fs::File;
use std::io;
use std::path::Path;

/// Where the first partition begins, as everybody has it: a whole number of any device's blocks.
const FIRST_AT: u64 = 1024 * 1024;

/// What is left free at the end: the second copy of the partition table, to a whole MiB.
const TAIL: u64 = 1024 * 1024;

/// Bytes of a sector of the image.
const SECTOR: u64 = 512;

/// Smallest state partition: two OS images with their UKIs fit, with room for the journal.
const STATE_MIN: u64 = 1024 * 1024 * 1024;

/// Smallest ESP: three UKIs fit.
const ESP_MIN: u64 = 128 * 1024 * 1024;

/// A disk that cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartitionError {
    #[error(
        "cannot lay out a disk of {size} bytes with an ESP of {esp}: the ESP needs {ESP_MIN} and the state partition {STATE_MIN}"
    )]
    TooSmall { size: u64, esp: u64 },
    #[error("cannot create the disk image")]
    Create(#[source] io::Error),
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// A part of the disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where the partitions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) esp: Extent,
    pub(crate) state: Extent,
    size: u64,
}

impl Partitions {
    /// Lays out a disk; sizes are cut to whole MiB.
    pub(crate) fn plan(size: u64, esp: u64) -> Result<Self, PartitionError> {
        let whole = |bytes: u64| bytes - bytes % FIRST_AT;
        let (size, esp) = (whole(size), whole(esp));
        let state_at = FIRST_AT.saturating_add(esp);
        let state = size.saturating_sub(TAIL).saturating_sub(state_at);
        if esp < ESP_MIN || state < STATE_MIN {
            return Err(PartitionError::TooSmall { size, esp });
        }
        Ok(Self {
            esp: Extent {
                offset: FIRST_AT,
                length: esp,
            },
            state: Extent {
                offset: state_at,
                length: state,
            },
            size,
        })
    }

    /// Makes the disk image, all holes but the partition table.
    pub(crate) fn write(&self, disk: &Path) -> Result<(), PartitionError> {
        File::create(disk)
            .and_then(|file| file.set_len(self.size))
            .map_err(PartitionError::Create)?;
        let line = |extent: Extent, kind, name| {
            let (start, size) = (extent.offset / SECTOR, extent.length / SECTOR);
            format!("start={start}, size={size}, type={kind}, name={name}\n")
        };
        // "uefi" and "linux" are sfdisk's names of the types of the GPT.
        let script = [
            "label: gpt\n".to_owned(),
            line(self.esp, "uefi", "orlop-esp"),
            line(self.state, "linux", "orlop-state"),
        ];
        let args = [
            "--quiet".as_ref(),
            "--no-reread".as_ref(),
            "--no-tell-kernel".as_ref(),
            disk.as_os_str(),
        ];
        Ok(tool::run(
            "write the partition table",
            "sfdisk",
            &args,
            &script.concat(),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn partitions_fill_the_disk_without_overlap() {
        let plan = Partitions::plan(4096 * MIB + 5, 512 * MIB + 7).unwrap();
        assert_eq!(
            plan.esp,
            Extent {
                offset: MIB,
                length: 512 * MIB
            }
        );
        assert_eq!(
            plan.state,
            Extent {
                offset: 513 * MIB,
                length: (4096 - 513 - 1) * MIB
            }
        );
    }

    #[test]
    fn a_disk_too_small_is_refused() {
        for (size, esp) in [
            (0, 0),
            (1536 * MIB, 512 * MIB),
            (4096 * MIB, 64 * MIB),
            (u64::MAX, u64::MAX),
        ] {
            assert!(Partitions::plan(size, esp).is_err(), "{size} {esp}");
        }
    }
}
