//! The journal: which blocks the kernel copies out of it at the next mount.
//!
//! As fs/jbd2/recovery.c: a pass over the log finds its end and what was revoked, a second one what is
//! to be copied. A transaction whose commit block is not there or wrong ends the log. A block of a
//! committed transaction with a wrong checksum makes the mount fail, so it is an error here too.

use super::inode::Places;
use super::volume::{Ext4, Ext4Error, JournalCache};
use crate::fields::{be16, be32};
use orlop_initrd::crc32c::crc32c;
use std::collections::HashMap;

/// The journal's inode.
pub(super) const INODE: u32 = 8;
/// Begins each of the journal's own blocks.
pub(super) const MAGIC: u32 = 0xc03b_3998;
/// Kinds of blocks.
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;
/// `JBD2_FEATURE_INCOMPAT_64BIT`.
const LONG: u32 = 0x2;
/// `JBD2_FEATURE_INCOMPAT_CSUM_V3`.
const CHECKSUMS: u32 = 0x10;
/// Features that are understood: revoking, and those above.
const KNOWN: u32 = 0x1 | LONG | CHECKSUMS;
/// Flags of a tag: the data began like a journal block, no UUID follows, the last one.
const ESCAPED: u32 = 1;
const SAME_UUID: u32 = 2;
const LAST: u32 = 8;
/// Bytes at the end of a block that hold its checksum.
const TAIL: usize = 4;

/// A block that is read from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    /// Where it lies, as a block of the file system.
    pub(super) from: u64,
    /// Whether its first bytes are the magic number of the journal.
    pub(super) escaped: bool,
}

/// What the replay comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Replay {
    pub(super) copied: HashMap<u64, Copied>,
}

/// The journal's superblock.
struct Journal<'a> {
    volume: &'a Ext4<'a>,
    places: &'a Places,
    blocks: u32,
    first: u32,
    features: u32,
    seed: u32,
}

/// A block in a descriptor.
struct Tag {
    block: u64,
    flags: u32,
    checksum: u32,
}

/// Follows the journal in these blocks.
pub(super) fn follow(
    volume: &Ext4<'_>,
    places: &Places,
    cache: &mut JournalCache,
) -> Result<Replay, Ext4Error> {
    let at = places.of(0).ok_or_else(|| damaged("has no superblock"))?;
    let sb = volume.raw_block(at)?;
    if be32(&sb, 0) != MAGIC {
        return Err(damaged("has no superblock"));
    }
    let journal = Journal {
        volume,
        places,
        blocks: be32(&sb, 16),
        first: be32(&sb, 20),
        features: be32(&sb, 40),
        seed: crc32c(!0, &sb[48..64]),
    };
    if journal.features & !KNOWN != 0 || journal.first >= journal.blocks {
        return Err(damaged("has features that are not understood"));
    }
    let (sequence, start) = (be32(&sb, 24), be32(&sb, 28));
    if start == 0 {
        return Ok(Replay::default());
    }
    journal.replay(sequence, start, cache)
}

fn damaged(what: &str) -> Ext4Error {
    Ext4Error(format!("the journal {what}"))
}

/// Whether transaction `a` is not older than `b`; numbers wrap around.
fn not_older(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 31
}

impl Journal<'_> {
    fn replay(
        &self,
        first: u32,
        start: u32,
        cache: &mut JournalCache,
    ) -> Result<Replay, Ext4Error> {
        let mut revoked: HashMap<u64, u32> = HashMap::new();
        let mut transactions: Vec<(u32, Vec<(Tag, u64)>)> = Vec::new();
        let (mut sequence, mut at) = (first, start);
        let mut tags = Vec::new();
        let mut revokes = Vec::new();
        // Each pass is over a block of the log, so the log's own length ends it.
        for _ in 0..self.blocks {
            let block = self.block(at)?;
            if be32(&block, 0) != MAGIC || be32(&block, 8) != sequence {
                break;
            }
            at = self.next(at, 1);
            match be32(&block, 4) {
                DESCRIPTOR if self.tail_is_right(&block) => {
                    for tag in self.tags(&block) {
                        tags.push((tag, self.place(at)?));
                        at = self.next(at, 1);
                    }
                }
                COMMIT if self.commit_is_right(&block) => {
                    for block in revokes.drain(..) {
                        revoked.insert(block, sequence);
                    }
                    transactions.push((sequence, std::mem::take(&mut tags)));
                    sequence = sequence.wrapping_add(1);
                }
                REVOKE if self.tail_is_right(&block) => revokes.extend(self.revokes(&block)),
                _ => break,
            }
        }
        let mut replay = Replay::default();
        for (sequence, tags) in transactions {
            for (tag, from) in tags {
                if revoked
                    .get(&tag.block)
                    .is_some_and(|by| not_older(*by, sequence))
                {
                    continue;
                }
                self.check(sequence, &tag, from, cache)?;
                let escaped = tag.flags & ESCAPED != 0;
                replay.copied.insert(tag.block, Copied { from, escaped });
            }
        }
        Ok(replay)
    }

    fn check(
        &self,
        sequence: u32,
        tag: &Tag,
        from: u64,
        cache: &mut JournalCache,
    ) -> Result<(), Ext4Error> {
        if self.features & CHECKSUMS == 0 {
            return Ok(());
        }
        let key = (sequence, self.volume.raw_hash(from)?);
        let sum = match cache.get(&key) {
            Some(sum) => *sum,
            None => {
                let sum = crc32c(self.seed, &sequence.to_be_bytes());
                let sum = crc32c(sum, &self.volume.raw_block(from)?);
                cache.insert(key, sum);
                sum
            }
        };
        if sum == tag.checksum {
            return Ok(());
        }
        let what = format!(
            "has a wrong copy of block {} in transaction {sequence}",
            tag.block
        );
        Err(damaged(&what))
    }

    fn next(&self, at: u32, by: u32) -> u32 {
        let next = at + by;
        if next >= self.blocks {
            next - self.blocks + self.first
        } else {
            next
        }
    }

    fn place(&self, at: u32) -> Result<u64, Ext4Error> {
        self.places
            .of(u64::from(at))
            .ok_or_else(|| damaged("has holes"))
    }

    fn block(&self, at: u32) -> Result<Vec<u8>, Ext4Error> {
        self.volume.raw_block(self.place(at)?)
    }

    /// The end of what a block holds.
    fn end(&self, block: &[u8]) -> usize {
        if self.features & CHECKSUMS != 0 {
            block.len() - TAIL
        } else {
            block.len()
        }
    }

    fn tail_is_right(&self, block: &[u8]) -> bool {
        self.features & CHECKSUMS == 0 || self.sum_is_right(block, block.len() - TAIL)
    }

    fn commit_is_right(&self, block: &[u8]) -> bool {
        self.features & CHECKSUMS == 0 || self.sum_is_right(block, 16)
    }

    fn sum_is_right(&self, block: &[u8], at: usize) -> bool {
        let sum = crc32c(self.seed, &block[..at]);
        let sum = crc32c(sum, &[0; TAIL]);
        crc32c(sum, &block[at + TAIL..]) == be32(block, at)
    }

    fn tags(&self, block: &[u8]) -> Vec<Tag> {
        let long = self.features & LONG != 0;
        let sums = self.features & CHECKSUMS != 0;
        let size = if sums {
            16
        } else if long {
            12
        } else {
            8
        };
        let mut tags = Vec::new();
        let mut at = 12;
        while at + size <= self.end(block) {
            let flags = if sums {
                be32(block, at + 4)
            } else {
                u32::from(be16(block, at + 6))
            };
            let high = if long { be32(block, at + 8) } else { 0 };
            tags.push(Tag {
                block: u64::from(be32(block, at)) | u64::from(high) << 32,
                flags,
                checksum: if sums { be32(block, at + 12) } else { 0 },
            });
            at += size + if flags & SAME_UUID != 0 { 0 } else { 16 };
            if flags & LAST != 0 {
                break;
            }
        }
        tags
    }

    fn revokes(&self, block: &[u8]) -> Vec<u64> {
        let end = usize::try_from(be32(block, 12))
            .unwrap_or_default()
            .min(self.end(block));
        let size = if self.features & LONG != 0 { 8 } else { 4 };
        let list = block.get(16..end).unwrap_or_default();
        list.chunks_exact(size)
            .map(|entry| match size {
                8 => u64::from(be32(entry, 0)) << 32 | u64::from(be32(entry, 4)),
                _ => u64::from(be32(entry, 0)),
            })
            .collect()
    }
}
