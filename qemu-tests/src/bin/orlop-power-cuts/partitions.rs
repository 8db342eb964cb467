//! Where the partitions are, by the disk's GPT (UEFI specification, chapter 5).

use crate::Outcome;
use crate::disk::Disk;
use crate::fields::{le16, le32, le64};
use std::ops::Range;

/// Bytes of a sector of the images.
const SECTOR: u64 = 512;
/// Where the names of the partitions of `orlop-image disk` are in an entry, in UTF-16.
const NAME: Range<usize> = 56..128;
/// The most entries that are read; every tool writes 128.
const MAX_ENTRIES: u32 = 128;

/// The partitions of a node's disk, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) esp: Range<u64>,
    pub(crate) state: Range<u64>,
}

impl Partitions {
    /// Reads the table.
    pub(crate) fn read(disk: &Disk) -> Outcome<Self> {
        let mut header = [0; 512];
        disk.read(SECTOR, &mut header)?;
        if &header[..8] != b"EFI PART" {
            return Err("the disk has no GPT".into());
        }
        let (at, count, size) = (le64(&header, 72), le32(&header, 80), le32(&header, 84));
        let named = |wanted: &str| -> Outcome<Range<u64>> {
            for entry in 0..count.min(MAX_ENTRIES) {
                let mut data = vec![0; usize::try_from(size.clamp(128, 4096))?];
                disk.read(at * SECTOR + u64::from(entry) * u64::from(size), &mut data)?;
                let units = data[NAME].chunks(2).map(|pair| le16(pair, 0));
                let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
                if String::from_utf16_lossy(&name) == wanted {
                    return Ok(le64(&data, 32) * SECTOR..(le64(&data, 40) + 1) * SECTOR);
                }
            }
            Err(format!("the disk has no partition {wanted}").into())
        };
        Ok(Self {
            esp: named("orlop-esp")?,
            state: named("orlop-state")?,
        })
    }
}
