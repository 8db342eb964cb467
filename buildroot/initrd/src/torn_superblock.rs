//! An ext4 superblock that a power cut has torn, and making it whole.
//!
//! A superblock has two sectors, and its checksum is in the second. The kernel writes it in its place,
//! not through the journal, at each mount and unmount: a disk that loses power in between can have one
//! sector of before and one of after, and the kernel does not mount what has a wrong checksum. Each
//! sector is right by itself, and all that counts is in the backup of block group 1, too.
//!
//! Source of the format: Documentation/filesystems/ext4/super.rst of Linux.

use crate::crc32c::crc32c;
use crate::ext4::SUPERBLOCK_AT;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of a superblock.
pub const SUPERBLOCK_BYTES: usize = 1024;

/// A superblock as it is on a disk.
pub type Bytes = [u8; SUPERBLOCK_BYTES];

/// `s_magic`.
const MAGIC: u32 = 0xef53;

/// `s_log_block_size` is at most 6 (64 KiB).
const LOG_BLOCK_SIZE_LIMIT: u32 = 6;

/// `s_feature_compat`, `s_feature_incompat`, `s_feature_ro_compat`.
const FEATURES: [usize; 3] = [0x5c, 0x60, 0x64];

/// What of the features tells how a file system was left, not what it is: `RECOVER` (the journal has
/// something to replay) and `ORPHAN_PRESENT`.
const PASSING_FEATURES: [u32; 3] = [0, RECOVER, 0x10000];

/// `COMPAT_HAS_JOURNAL`.
const HAS_JOURNAL: u32 = 0x4;

/// `INCOMPAT_RECOVER`.
const RECOVER: u32 = 0x4;

/// `RO_COMPAT_METADATA_CSUM`.
const METADATA_CSUM: u32 = 0x400;

/// Where `s_checksum` is, the sum of all before it.
const CHECKSUM_AT: usize = 0x3fc;

/// What the kernel changes in the primary superblock alone while a file system is used, and in which a
/// backup therefore differs. Everything else has to be the same, but for the checksum and
/// [`PASSING_FEATURES`].
const PASSING: [Range<usize>; 12] = [
    0x00c..0x014, // free blocks and inodes
    0x02c..0x036, // times of mount and write, mounts
    0x03a..0x03c, // state
    0x040..0x044, // time of the last check
    0x05a..0x05c, // the block group that it is in
    0x088..0x0c8, // where it was mounted
    0x0e8..0x0ec, // the first orphan
    0x158..0x15c, // free blocks, the upper half
    0x178..0x180, // bytes written
    0x194..0x200, // errors
    0x248..0x24c, // overhead, which a mount counts again
    0x274..0x27c, // the upper bytes of times, codes of errors
];

/// Where on the device the backup is that belongs to a superblock, in bytes. `None` if these bytes are
/// no superblock, or one without a backup.
pub fn backup_at(primary: &Bytes) -> Option<u64> {
    let log_block_size = word(primary, 0x18);
    if word(primary, 0x38) & 0xffff != MAGIC || log_block_size > LOG_BLOCK_SIZE_LIMIT {
        return None;
    }
    let blocks = u64::from(word(primary, 0x4)) | u64::from(word(primary, 0x150)) << 32;
    let (first, per_group) = (word(primary, 0x14), word(primary, 0x20));
    let block = u64::from(first) + u64::from(per_group);
    (per_group != 0 && block < blocks).then(|| block << (10 + log_block_size))
}

/// The superblock to write over a torn one. `None` if it is whole, or if anything but a tear may be what
/// is wrong with it: then nobody should write to the file system.
pub fn mended(primary: &Bytes, backup: &Bytes) -> Option<Bytes> {
    let is_torn = !has_right_checksum(primary) && has_right_checksum(backup);
    if !is_torn || lasting(primary) != lasting(backup) {
        return None;
    }
    let [compatible, incompatible, read_only] = FEATURES.map(|at| word(primary, at));
    if word(primary, 0x38) & 0xffff != MAGIC || read_only & METADATA_CSUM == 0 {
        return None;
    }
    let mut whole = *primary;
    if compatible & HAS_JOURNAL != 0 {
        // Whatever the sector says that got there: without this flag the kernel would throw the journal
        // away, and with it an empty one is replayed as nothing.
        put_word(&mut whole, FEATURES[1], incompatible | RECOVER);
    }
    let sum = crc32c(!0, &whole[..CHECKSUM_AT]);
    put_word(&mut whole, CHECKSUM_AT, sum);
    Some(whole)
}

/// Mends the superblock of a device or an image if it is torn, and says whether it was.
///
/// # Errors
/// If the device cannot be read or written. What is too small to have a backup is not torn.
pub fn mend(device: &Path) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(device)?;
    let (mut primary, mut backup) = ([0; SUPERBLOCK_BYTES], [0; SUPERBLOCK_BYTES]);
    let read = |bytes: &mut Bytes, at| match file.read_exact_at(bytes, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    };
    if !read(&mut primary, SUPERBLOCK_AT)? {
        return Ok(false);
    }
    let Some(at) = backup_at(&primary) else {
        return Ok(false);
    };
    if !read(&mut backup, at)? {
        return Ok(false);
    }
    let Some(whole) = mended(&primary, &backup) else {
        return Ok(false);
    };
    file.write_all_at(&whole, SUPERBLOCK_AT)?;
    file.sync_all()?;
    Ok(true)
}

fn has_right_checksum(superblock: &Bytes) -> bool {
    crc32c(!0, &superblock[..CHECKSUM_AT]) == word(superblock, CHECKSUM_AT)
}

/// A superblock without what differs between a primary and its backup.
fn lasting(superblock: &Bytes) -> Bytes {
    let mut lasting = *superblock;
    for range in PASSING {
        lasting[range].fill(0);
    }
    lasting[CHECKSUM_AT..].fill(0);
    for (at, passing) in FEATURES.into_iter().zip(PASSING_FEATURES) {
        put_word(&mut lasting, at, word(superblock, at) & !passing);
    }
    lasting
}

fn word(bytes: &Bytes, at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put_word(bytes: &mut Bytes, at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}
