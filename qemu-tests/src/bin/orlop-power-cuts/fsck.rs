//! What `e2fsck` says of a file system: it replays the journal by itself, and checks everything.

use crate::Outcome;
use crate::disk::{BLOCK, Disk};
use crate::ext4::{DataCache, Ext4};
use orlop_initrd::ext4::SUPERBLOCK_AT;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Repairs that need nobody to decide were made; the kernel makes the same at a mount.
const REPAIRED: i32 = 1;

/// Blocks that are copied at once.
const RUN_BLOCKS: usize = 64;

/// Checks a file system by a copy of all but the data of its files, which e2fsck never reads. None
/// where it is clean, or becomes so by the journal and what needs no decision (`-p`); else what
/// e2fsck says. A torn superblock is mended first, as at a boot.
pub(crate) fn check(
    disk: &Disk,
    volume: &Ext4<'_>,
    cache: &mut DataCache,
    scratch: &Path,
) -> Outcome<Option<String>> {
    copy(disk, volume, cache, scratch)?;
    let output = Command::new("e2fsck")
        .args(["-f", "-p"])
        .arg(scratch)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run e2fsck (Debian package e2fsprogs): {error}"))?;
    match output.status.code() {
        Some(0 | REPAIRED) => Ok(None),
        _ => {
            let said = [output.stdout, output.stderr].concat();
            Ok(Some(String::from_utf8_lossy(&said).trim().to_owned()))
        }
    }
}

fn copy(disk: &Disk, volume: &Ext4<'_>, cache: &mut DataCache, scratch: &Path) -> Outcome<()> {
    let data = volume.data_blocks(cache)?;
    let (first, blocks) = volume.extent();
    let file = File::create(scratch)?;
    file.set_len(blocks * BLOCK as u64)?;
    let wanted = |block: &u64| {
        let at = usize::try_from(first + block).unwrap_or(usize::MAX);
        !disk.is_zero(at) && !data.contains(block)
    };
    let mut buffer = vec![0; RUN_BLOCKS * BLOCK];
    let mut block = 0;
    while block < blocks {
        let longest = blocks.min(block + RUN_BLOCKS as u64);
        let run = (block..longest).take_while(wanted).count();
        if run > 0 {
            let buffer = &mut buffer[..run * BLOCK];
            disk.read((first + block) * BLOCK as u64, buffer)?;
            file.write_all_at(buffer, block * BLOCK as u64)?;
        }
        block += run.max(1) as u64;
    }
    if let Some(whole) = volume.mended() {
        file.write_all_at(whole, SUPERBLOCK_AT)?;
    }
    Ok(())
}
