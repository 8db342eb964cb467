//! Finding the state partition among the block devices.

use crate::ext4::Superblock;
use crate::state;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a sector as `/sys/class/block/*/size` counts them, whatever the device's own are.
const SECTOR_BYTES: u64 = 512;

/// A device with the state partition's file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDevice {
    /// Its device node.
    pub node: PathBuf,
    /// Its superblock.
    pub superblock: Superblock,
    /// Blocks of the file system's size that the device has room for.
    pub device_blocks: u64,
}

/// All devices whose ext4 has the label `orlop`, by name. Devices that cannot be read (no medium,
/// not ready yet) are passed over.
///
/// # Errors
/// If `/sys/class/block` cannot be listed.
pub fn state_devices() -> io::Result<Vec<StateDevice>> {
    let mut names = fs::read_dir("/sys/class/block")?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names
        .iter()
        .filter_map(|name| state_device(Path::new(name)))
        .collect())
}

fn state_device(name: &Path) -> Option<StateDevice> {
    let node = Path::new("/dev").join(name);
    let superblock = Superblock::read(&node).ok().flatten()?;
    if superblock.label != state::LABEL {
        return None;
    }
    let size = fs::read_to_string(Path::new("/sys/class/block").join(name).join("size")).ok()?;
    let sectors: u64 = size.trim_end().parse().ok()?;
    let device_blocks = sectors.saturating_mul(SECTOR_BYTES) / superblock.block_bytes;
    Some(StateDevice {
        node,
        superblock,
        device_blocks,
    })
}
