//! What the initrd has to know of ext4: its superblock, and growing a mounted one.
//!
//! Source of the format: Documentation/filesystems/ext4/super.rst of Linux.

use rustix::ioctl::{Setter, opcode};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Where the superblock begins on the device.
pub const SUPERBLOCK_AT: u64 = 1024;

/// As much of it as is read.
const SUPERBLOCK_LEN: usize = 0x160;

/// `s_magic`.
const MAGIC: u16 = 0xef53;

/// `s_log_block_size` is at most 6 (64 KiB).
const LOG_BLOCK_SIZE_LIMIT: u32 = 6;

/// `RO_COMPAT_QUOTA` and `RO_COMPAT_PROJECT`, both of which limits of projects need.
const PROJECT_QUOTA: u32 = 0x100 | 0x2000;

/// `EXT4_IOC_RESIZE_FS` of fs/ext4/ext4.h: `_IOW('f', 16, __u64)`.
const EXT4_IOC_RESIZE_FS: u32 = opcode::write::<u64>(b'f', 16);

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The volume's label.
    pub label: String,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Blocks of the file system.
    pub blocks: u64,
    /// Whether it counts what projects hold, so that they can be limited.
    pub project_quota: bool,
}

impl Superblock {
    /// Reads the superblock of a device; `None` if there is no ext4 on it.
    ///
    /// # Errors
    /// If the device cannot be read. A device that is too small has no ext4.
    pub fn read(device: &Path) -> io::Result<Option<Self>> {
        let mut bytes = [0; SUPERBLOCK_LEN];
        match File::open(device)?.read_exact_at(&mut bytes, SUPERBLOCK_AT) {
            Ok(()) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8; SUPERBLOCK_LEN]) -> Option<Self> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let log_block_size = word(0x18);
        if u16::from_le_bytes([bytes[0x38], bytes[0x39]]) != MAGIC
            || log_block_size > LOG_BLOCK_SIZE_LIMIT
        {
            return None;
        }
        let label = bytes[0x78..0x88]
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        Some(Self {
            label: String::from_utf8_lossy(label).into_owned(),
            block_bytes: 1024 << log_block_size,
            blocks: u64::from(word(0x4)) | u64::from(word(0x150)) << 32,
            project_quota: word(0x64) & PROJECT_QUOTA == PROJECT_QUOTA,
        })
    }
}

/// Grows the ext4 mounted at `mount_point` to so many blocks. The kernel keeps it consistent if
/// power fails meanwhile.
///
/// # Errors
/// If the kernel cannot grow it by that much.
#[expect(unsafe_code, reason = "rustix has no wrapper of this ioctl")]
pub fn grow(mount_point: &Path, blocks: u64) -> io::Result<()> {
    let dir = File::open(mount_point)?;
    // SAFETY: the opcode takes a pointer to one u64 and only reads it, which is what Setter gives.
    unsafe { rustix::ioctl::ioctl(&dir, Setter::<EXT4_IOC_RESIZE_FS, u64>::new(blocks)) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_superblock_that_mkfs_writes_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        for (features, project_quota) in [
            ("verity", false),
            ("project", false),
            ("quota", false),
            ("verity,project,quota", true),
        ] {
            File::create(&image).unwrap().set_len(16 << 20).unwrap();
            let mkfs = Command::new("mkfs.ext4")
                .args(["-q", "-F", "-L", "orlop", "-b", "4096", "-O", features])
                .arg(&image)
                .status();
            assert!(mkfs.unwrap().success());
            let expected = Superblock {
                label: "orlop".to_owned(),
                block_bytes: 4096,
                blocks: 4096,
                project_quota,
            };
            assert_eq!(Superblock::read(&image).unwrap(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_ext4_has_no_superblock() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        for content in [vec![], vec![0xff; 512], vec![0; 4096], vec![0xff; 4096]] {
            std::fs::write(&image, &content).unwrap();
            assert_eq!(Superblock::read(&image).unwrap(), None);
        }
    }
}
