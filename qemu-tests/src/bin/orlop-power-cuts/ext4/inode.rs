//! Inodes, where their data is, and which blocks are data and nothing else.

use super::volume::{Ext4, Ext4Error};
use crate::disk::BLOCK;
use crate::fields::{le16, le32};
use crate::random::mixed;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// `EXT4_EXTENTS_FL`.
const EXTENTS: u32 = 0x8_0000;
/// `EXT4_VERITY_FL`.
const VERITY: u32 = 0x10_0000;
/// `eh_magic`.
const EXTENT_MAGIC: u16 = 0xf30a;
/// `EXT_MAX_DEPTH` of the kernel.
const MAX_DEPTH: u16 = 5;
/// A longer extent is one that was never written.
const MAX_WRITTEN: u16 = 1 << 15;
/// The first inode that is not the file system's own.
const FIRST_INODE: u32 = 11;
/// A link of up to so many bytes is in the inode itself.
const SHORT_LINK: u64 = 60;

/// What sort of file an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// An inode.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    number: u32,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    links: u16,
    flags: u32,
    tree: [u8; 60],
}

/// A stretch of a file: its blocks, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    logical: u64,
    length: u64,
    physical: u64,
    written: bool,
}

/// Where a file's blocks are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<Extent>);

/// The data blocks of the files in each block of an inode table, by that block's place and hash.
pub(crate) type DataCache = HashMap<(u64, u64), Vec<Range<u64>>>;

impl Inode {
    /// Of the first 128 bytes of an inode.
    pub(super) fn read(number: u32, data: &[u8]) -> Self {
        let kind = match le16(data, 0) & 0xf000 {
            0x8000 => Kind::File,
            0x4000 => Kind::Folder,
            0xa000 => Kind::Link,
            _ => Kind::Other,
        };
        let mut tree = [0; 60];
        tree.copy_from_slice(&data[0x28..0x28 + 60]);
        Self {
            number,
            kind,
            size: u64::from(le32(data, 4)) | u64::from(le32(data, 0x6c)) << 32,
            links: le16(data, 0x1a),
            flags: le32(data, 0x20),
            tree,
        }
    }

    /// Whether the kernel checks it by fs-verity.
    pub(crate) fn has_verity(&self) -> bool {
        self.flags & VERITY != 0
    }

    fn is_in_use(&self) -> bool {
        self.links > 0
    }
}

impl Places {
    /// The block of the disk for a block of the file; none where it reads as zeroes.
    pub(super) fn of(&self, logical: u64) -> Option<u64> {
        let found = self
            .0
            .iter()
            .find(|e| (e.logical..e.logical + e.length).contains(&logical))?;
        found
            .written
            .then(|| found.physical + (logical - found.logical))
    }

    /// The block behind the last one that the file has, data or not.
    pub(crate) fn end(&self) -> u64 {
        self.0
            .iter()
            .map(|extent| extent.logical + extent.length)
            .max()
            .unwrap_or_default()
    }
}

impl Ext4<'_> {
    /// Where a file's blocks are.
    pub(super) fn places(&self, inode: &Inode) -> Result<Places, Ext4Error> {
        let mut places = Places::default();
        if inode.flags & EXTENTS == 0 {
            return Err(Ext4Error(format!("inode {} has no extents", inode.number)));
        }
        self.walk(inode.number, &inode.tree, MAX_DEPTH, &mut places)?;
        Ok(places)
    }

    fn walk(
        &self,
        number: u32,
        node: &[u8],
        limit: u16,
        places: &mut Places,
    ) -> Result<(), Ext4Error> {
        let damaged = || Ext4Error(format!("the extents of inode {number} are damaged"));
        let (entries, depth) = (usize::from(le16(node, 2)), le16(node, 6));
        if le16(node, 0) != EXTENT_MAGIC || 12 + 12 * entries > node.len() || depth > limit {
            return Err(damaged());
        }
        for entry in node[12..12 + 12 * entries].chunks(12) {
            if depth > 0 {
                let child = u64::from(le32(entry, 4)) | u64::from(le16(entry, 8)) << 32;
                let below = self.block(child)?;
                self.walk(number, &below, depth - 1, places)?;
                continue;
            }
            let length = le16(entry, 4);
            places.0.push(Extent {
                logical: u64::from(le32(entry, 0)),
                length: u64::from(if length > MAX_WRITTEN {
                    length - MAX_WRITTEN
                } else {
                    length
                }),
                physical: u64::from(le32(entry, 8)) | u64::from(le16(entry, 6)) << 32,
                written: length <= MAX_WRITTEN,
            });
        }
        Ok(())
    }

    /// One number for all that a file is: size, flags, and the content of its blocks.
    pub(crate) fn identity(&self, inode: &Inode) -> Result<u64, Ext4Error> {
        let seed = inode.size ^ u64::from(inode.flags) << 32;
        if inode.flags & EXTENTS == 0 {
            let words = inode.tree.chunks(4).map(|word| u64::from(le32(word, 0)));
            return Ok(words.fold(mixed(seed), |sum, word| mixed(sum ^ word)));
        }
        let mut sum = mixed(seed);
        for extent in &self.places(inode)?.0 {
            sum = mixed(sum ^ extent.logical ^ extent.length << 32 ^ u64::from(extent.written));
            if extent.written {
                for block in extent.physical..extent.physical + extent.length {
                    sum = mixed(sum ^ self.hash(block)?);
                }
            }
        }
        Ok(sum)
    }

    /// Reads a stretch of a file, in whole blocks; also what lies behind its end, as fs-verity's
    /// hashes do.
    pub(crate) fn read_blocks(
        &self,
        inode: &Inode,
        blocks: Range<u64>,
    ) -> Result<Vec<u8>, Ext4Error> {
        let places = self.places(inode)?;
        let mut data = Vec::new();
        for logical in blocks {
            match places.of(logical) {
                Some(physical) => data.extend(self.block(physical)?),
                None => data.resize(data.len() + BLOCK, 0),
            }
        }
        Ok(data)
    }

    /// Where a file's blocks end, data or not.
    pub(crate) fn end(&self, inode: &Inode) -> Result<u64, Ext4Error> {
        Ok(self.places(inode)?.end())
    }

    /// The content of a file or link, which is at most `limit` bytes.
    pub(crate) fn content(&self, inode: &Inode, limit: u64) -> Result<Vec<u8>, Ext4Error> {
        if inode.size > limit {
            return Err(Ext4Error(format!(
                "inode {} has {} bytes",
                inode.number, inode.size
            )));
        }
        let size = usize::try_from(inode.size).map_err(|error| Ext4Error(error.to_string()))?;
        if inode.kind == Kind::Link && inode.size < SHORT_LINK && inode.flags & EXTENTS == 0 {
            return Ok(inode.tree[..size].to_vec());
        }
        let mut data = self.read_blocks(inode, 0..inode.size.div_ceil(BLOCK as u64))?;
        data.truncate(size);
        Ok(data)
    }

    /// The blocks that are data of regular files in use, and nothing else: neither those of the quotas, which e2fsck reads.
    pub(crate) fn data_blocks(&self, cache: &mut DataCache) -> Result<HashSet<u64>, Ext4Error> {
        let mut data = HashSet::new();
        for (block, first) in self.inode_blocks()? {
            let key = (block, self.hash(block)?);
            if let Some(known) = cache.get(&key) {
                data.extend(known.iter().cloned().flatten());
                continue;
            }
            let (found, lasting) = self.data_of(&self.block(block)?, first)?;
            data.extend(found.iter().cloned().flatten());
            if lasting {
                cache.insert(key, found);
            }
        }
        Ok(data)
    }

    /// The data blocks of the files in a block of an inode table, and whether that block alone says so.
    fn data_of(&self, block: &[u8], first: u32) -> Result<(Vec<Range<u64>>, bool), Ext4Error> {
        let mut found = Vec::new();
        let mut lasting = true;
        for inode in self.inodes_in(block, first) {
            let counts = inode.number >= FIRST_INODE
                && inode.number != self.quota_inode
                && inode.kind == Kind::File
                && inode.is_in_use()
                && inode.flags & EXTENTS != 0;
            if !counts {
                continue;
            }
            lasting &= le16(&inode.tree, 6) == 0;
            let places = self.places(&inode)?;
            found.extend(places.0.iter().map(|e| e.physical..e.physical + e.length));
        }
        Ok((found, lasting))
    }
}
