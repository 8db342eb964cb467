//! The bytes of a machine's disk, as nobody in the machine sees them being changed.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a block of the state partition's file system, and of what fs-verity checks at once.
pub(crate) const BLOCK: usize = 4096;

/// Changes one bit of the first byte of a block, wherever the disk has that block.
pub(crate) fn flip_a_bit_of(block: &[u8], disk: &Path) {
    let mut file = File::options().read(true).write(true).open(disk).unwrap();
    let mut places = Vec::new();
    let mut data = vec![0; 256 * BLOCK];
    let length = fs::metadata(disk).unwrap().len();
    let mut at = 0;
    while at < length {
        file.seek(SeekFrom::Start(at)).unwrap();
        let read = file.read(&mut data).unwrap();
        let blocks = data[..read].chunks(BLOCK).zip((at..).step_by(BLOCK));
        places.extend(blocks.filter(|(data, _)| *data == block).map(|(_, at)| at));
        at += u64::try_from(read).unwrap();
    }
    assert!(!places.is_empty(), "the object is nowhere on the disk");
    println!("changing a bit at {places:?}");
    for at in places {
        file.write_all_at(&[block[0] ^ 1], at).unwrap();
    }
}
