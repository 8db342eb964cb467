//! The file system: superblock, groups, and blocks as the journal leaves them.

use super::inode::Inode;
use super::journal::{self, Replay};
use crate::disk::{BLOCK, Disk};
use crate::fields::{le16, le32};
use orlop_initrd::ext4::SUPERBLOCK_AT;
use orlop_initrd::torn_superblock::{self, Bytes, SUPERBLOCK_BYTES};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// `s_magic`.
const MAGIC: u16 = 0xef53;
/// `INCOMPAT_RECOVER`: the journal has something to replay.
const RECOVER: u32 = 0x4;
/// `INCOMPAT_META_BG`, `INCOMPAT_INLINE_DATA`, `INCOMPAT_ENCRYPT`, which our disks do not have.
const UNREAD: u32 = 0x10 | 0x8000 | 0x10000;
/// `INCOMPAT_64BIT`.
const LONG: u32 = 0x80;
/// `BG_INODE_UNINIT`: the group has no inodes yet.
const NO_INODES: u16 = 1;
/// Where the superblock has `s_prj_quota_inum` (kernel documentation, ext4, "The Super Block").
const PROJECT_QUOTA_INODE: usize = 0x26c;
/// The inode of the root folder.
const ROOT: u32 = 2;

/// A file system cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ext4: {0}")]
pub(crate) struct Ext4Error(pub(crate) String);

/// What is known of journal blocks that were looked at before.
pub(crate) type JournalCache = HashMap<(u32, u64), u32>;

/// A file system on a partition of a disk.
#[derive(Debug)]
pub(crate) struct Ext4<'a> {
    disk: &'a Disk,
    /// The first block of the partition on the disk.
    first: u64,
    blocks: u64,
    per_group: u32,
    inode_bytes: u16,
    descriptor_bytes: u16,
    /// The file that projects are counted in; 0 is none.
    pub(super) quota_inode: u32,
    replay: Replay,
    /// What the initrd writes over a torn superblock before it mounts.
    mended: Option<Bytes>,
    /// Blocks of inode tables and descriptors that were read: thousands of inodes are asked for.
    tables: RefCell<HashMap<u64, Rc<Vec<u8>>>>,
}

impl<'a> Ext4<'a> {
    /// Opens the file system of a partition, and follows its journal.
    pub(crate) fn open(
        disk: &'a Disk,
        partition: &Range<u64>,
        cache: &mut JournalCache,
    ) -> Result<Self, Ext4Error> {
        let mut volume = Self {
            disk,
            first: partition.start / BLOCK as u64,
            blocks: (partition.end - partition.start) / BLOCK as u64,
            per_group: 1,
            inode_bytes: 256,
            descriptor_bytes: 32,
            quota_inode: 0,
            replay: Replay::default(),
            mended: None,
            tables: RefCell::default(),
        };
        volume.mended = volume.mend()?;
        let recover = volume.read_superblock()?;
        if recover {
            let inode = volume.inode(journal::INODE)?;
            let places = volume.places(&inode)?;
            volume.replay = journal::follow(&volume, &places, cache)?;
            volume.tables.borrow_mut().clear();
            volume.read_superblock()?;
        }
        Ok(volume)
    }

    /// The whole superblock where the one on the disk is torn, made as the initrd makes it.
    fn mend(&self) -> Result<Option<Bytes>, Ext4Error> {
        let read = |at: u64| {
            let mut bytes = [0; SUPERBLOCK_BYTES];
            self.disk
                .read(self.first * BLOCK as u64 + at, &mut bytes)
                .map_err(|error| Ext4Error(format!("cannot read a superblock: {error}")))?;
            Ok(bytes)
        };
        let primary = read(SUPERBLOCK_AT)?;
        match torn_superblock::backup_at(&primary) {
            Some(at) if at / (BLOCK as u64) < self.blocks => {
                Ok(torn_superblock::mended(&primary, &read(at)?))
            }
            _ => Ok(None),
        }
    }

    /// What the initrd writes over a torn superblock.
    pub(crate) fn mended(&self) -> Option<&Bytes> {
        self.mended.as_ref()
    }

    /// Whether there was something to replay.
    fn read_superblock(&mut self) -> Result<bool, Ext4Error> {
        let block = self.block(0)?;
        let at = usize::try_from(SUPERBLOCK_AT).unwrap_or_default();
        let sb = &block[at..at + 1024];
        if le16(sb, 0x38) != MAGIC {
            return Err(Ext4Error("there is no superblock".to_owned()));
        }
        let incompatible = le32(sb, 0x60);
        if incompatible & UNREAD != 0 || le32(sb, 0x18) != 2 || le32(sb, 0x14) != 0 {
            return Err(Ext4Error(format!(
                "features {incompatible:#x} or blocks are not understood"
            )));
        }
        self.per_group = le32(sb, 0x28);
        self.inode_bytes = le16(sb, 0x58);
        let size = le16(sb, 0xfe);
        self.descriptor_bytes = if incompatible & LONG != 0 { size } else { 32 };
        let plausible = self.per_group > 0
            && matches!(self.inode_bytes, 128..=4096)
            && matches!(self.descriptor_bytes, 32 | 64);
        if !plausible {
            return Err(Ext4Error("the superblock is damaged".to_owned()));
        }
        self.quota_inode = le32(sb, PROJECT_QUOTA_INODE);
        self.blocks = self.blocks.min(u64::from(le32(sb, 0x4)));
        Ok(incompatible & RECOVER != 0)
    }

    /// The first block on the disk, and how many there are.
    pub(crate) fn extent(&self) -> (u64, u64) {
        (self.first, self.blocks)
    }

    /// The disk's block for one of the file system's, where the journal is not asked.
    pub(super) fn raw(&self, number: u64) -> Result<usize, Ext4Error> {
        if number >= self.blocks {
            return Err(Ext4Error(format!("block {number} is beyond the end")));
        }
        usize::try_from(self.first + number).map_err(|error| Ext4Error(error.to_string()))
    }

    /// A block's content as it is on the disk.
    pub(super) fn raw_block(&self, number: u64) -> Result<Vec<u8>, Ext4Error> {
        let mut data = vec![0; BLOCK];
        let at = self.raw(number)? as u64 * BLOCK as u64;
        self.disk
            .read(at, &mut data)
            .map_err(|error| Ext4Error(format!("cannot read block {number}: {error}")))?;
        if let (0, Some(whole)) = (number, &self.mended) {
            let at = usize::try_from(SUPERBLOCK_AT).unwrap_or_default();
            data[at..at + SUPERBLOCK_BYTES].copy_from_slice(whole);
        }
        Ok(data)
    }

    /// A block's content after the replay.
    pub(super) fn block(&self, number: u64) -> Result<Vec<u8>, Ext4Error> {
        match self.replay.copied.get(&number) {
            None => self.raw_block(number),
            Some(copy) => {
                let mut data = self.raw_block(copy.from)?;
                if copy.escaped {
                    data[..4].copy_from_slice(&journal::MAGIC.to_be_bytes());
                }
                Ok(data)
            }
        }
    }

    /// As [`Self::block`], kept for the next time.
    fn table_block(&self, number: u64) -> Result<Rc<Vec<u8>>, Ext4Error> {
        if let Some(known) = self.tables.borrow().get(&number) {
            return Ok(Rc::clone(known));
        }
        let block = Rc::new(self.block(number)?);
        self.tables.borrow_mut().insert(number, Rc::clone(&block));
        Ok(block)
    }

    /// The hash of a block's content after the replay, as far as caches are concerned: an escaped
    /// block has one of its own.
    pub(super) fn hash(&self, number: u64) -> Result<u64, Ext4Error> {
        Ok(match self.replay.copied.get(&number) {
            None => self.disk.hash(self.raw(number)?),
            Some(copy) => self.disk.hash(self.raw(copy.from)?) ^ u64::from(copy.escaped),
        })
    }

    /// The hash of a block's content on the disk.
    pub(super) fn raw_hash(&self, number: u64) -> Result<u64, Ext4Error> {
        Ok(self.disk.hash(self.raw(number)?))
    }

    /// An inode.
    pub(crate) fn inode(&self, number: u32) -> Result<Inode, Ext4Error> {
        let index = number
            .checked_sub(1)
            .ok_or_else(|| Ext4Error("there is no inode 0".to_owned()))?;
        let (group, inside) = (index / self.per_group, index % self.per_group);
        let (table, _) = self.inode_table(group)?;
        let at = u64::from(inside) * u64::from(self.inode_bytes);
        let block = self.table_block(table + at / BLOCK as u64)?;
        let at = usize::try_from(at % BLOCK as u64).unwrap_or_default();
        Ok(Inode::read(number, &block[at..at + 128]))
    }

    /// The root folder.
    pub(crate) fn root(&self) -> Result<Inode, Ext4Error> {
        self.inode(ROOT)
    }

    /// Where a group's inodes begin, and how many have ever been used.
    fn inode_table(&self, group: u32) -> Result<(u64, u32), Ext4Error> {
        let at = u64::from(group) * u64::from(self.descriptor_bytes);
        let block = self.table_block(1 + at / BLOCK as u64)?;
        let at = usize::try_from(at % BLOCK as u64).unwrap_or_default();
        let descriptor = &block[at..at + usize::from(self.descriptor_bytes)];
        let mut unused = u32::from(le16(descriptor, 0x1c));
        let mut table = u64::from(le32(descriptor, 0x8));
        if self.descriptor_bytes == 64 {
            unused |= u32::from(le16(descriptor, 0x32)) << 16;
            table |= u64::from(le32(descriptor, 0x28)) << 32;
        }
        let used = if le16(descriptor, 0x12) & NO_INODES != 0 {
            0
        } else {
            self.per_group.saturating_sub(unused)
        };
        Ok((table, used))
    }

    /// The blocks of all inode tables as far as they are used, and the number of each one's first
    /// inode.
    pub(super) fn inode_blocks(&self) -> Result<Vec<(u64, u32)>, Ext4Error> {
        let in_block = u32::try_from(BLOCK).unwrap_or_default() / u32::from(self.inode_bytes);
        let per_group_blocks = self.blocks_per_group();
        let groups = u32::try_from(self.blocks.div_ceil(per_group_blocks)).unwrap_or_default();
        let mut blocks = Vec::new();
        for group in 0..groups {
            let (table, used) = self.inode_table(group)?;
            for index in 0..used.div_ceil(in_block) {
                let first = group * self.per_group + index * in_block + 1;
                blocks.push((table + u64::from(index), first));
            }
        }
        Ok(blocks)
    }

    /// With blocks of 4 KiB, a bitmap of one block has so many.
    fn blocks_per_group(&self) -> u64 {
        8 * BLOCK as u64
    }

    /// The inodes in a block of an inode table.
    pub(super) fn inodes_in(&self, block: &[u8], first: u32) -> Vec<Inode> {
        let pieces = block.chunks(usize::from(self.inode_bytes));
        (first..)
            .zip(pieces)
            .map(|(number, data)| Inode::read(number, &data[..128]))
            .collect()
    }
}

#[cfg(test)]
impl Ext4<'_> {
    /// The blocks of the journal.
    pub(crate) fn journal_blocks(&self) -> Result<Vec<u64>, Ext4Error> {
        let places = self.places(&self.inode(journal::INODE)?)?;
        Ok((0..places.end())
            .filter_map(|logical| places.of(logical))
            .collect())
    }

    /// The blocks that come out of the journal.
    pub(crate) fn replayed(&self) -> Vec<u64> {
        self.replay.copied.keys().copied().collect()
    }

    /// A block after the replay.
    pub(crate) fn content_of(&self, block: u64) -> Vec<u8> {
        self.block(block).unwrap()
    }
}
