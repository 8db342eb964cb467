//! fs-verity in user space: the digest of a file's data, and whether the kernel would accept what it
//! has stored for it (Documentation/filesystems/fsverity.rst of Linux).

use crate::disk::BLOCK;
use crate::ext4::{Ext4, Ext4Error, Inode};
use crate::fields::{le32, le64};
use sha2::{Digest as _, Sha256};

/// Bytes of a SHA-256.
const HASH: usize = 32;
/// Where ext4 puts the hashes: behind the data, at the next multiple of this (`EXT4_VERITY...`,
/// fs/ext4/verity.c).
const TREE_ALIGN: u64 = 65536;
/// Bytes of `struct fsverity_descriptor`.
const DESCRIPTOR: usize = 256;

/// The hashes of a file's data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The file's digest, in hex: the name of an object.
    pub(crate) digest: String,
    /// The blocks of hashes as they are stored, the root's first.
    blocks: Vec<u8>,
    descriptor: Vec<u8>,
}

impl Tree {
    /// Of these data.
    pub(crate) fn of(data: &[u8]) -> Self {
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut hashes = hashes_of(data);
        while hashes.len() > HASH {
            hashes.resize(hashes.len().next_multiple_of(BLOCK), 0);
            let above = hashes_of(&hashes);
            levels.push(hashes);
            hashes = above;
        }
        let mut descriptor = vec![0; DESCRIPTOR];
        // Version 1, SHA-256, blocks of 2^12 bytes.
        descriptor[..3].copy_from_slice(&[1, 1, 12]);
        descriptor[8..16].copy_from_slice(&(data.len() as u64).to_le_bytes());
        descriptor[16..16 + hashes.len()].copy_from_slice(&hashes);
        Self {
            digest: hex::encode(Sha256::digest(&descriptor)),
            blocks: levels.into_iter().rev().flatten().collect(),
            descriptor,
        }
    }

    /// Whether a file has just these hashes stored behind its data; what is wrong with them else.
    pub(crate) fn is_stored(&self, volume: &Ext4<'_>, file: &Inode) -> Result<(), Ext4Error> {
        let wrong = |what: &str| Err(Ext4Error(format!("fs-verity's {what} is wrong")));
        let block = BLOCK as u64;
        let start = file.size.next_multiple_of(TREE_ALIGN) / block;
        let end = volume.end(file)?;
        let tree = start..start + self.blocks.len() as u64 / block;
        if end <= tree.end {
            return wrong("place");
        }
        // The descriptor is the last thing in the file, its size the last word.
        let last = volume.read_blocks(file, end - 1..end)?;
        let size = usize::try_from(le32(&last, BLOCK - 4)).unwrap_or(usize::MAX);
        if size != DESCRIPTOR || le64(&last, 8) != file.size {
            return wrong("descriptor");
        }
        if last[..DESCRIPTOR] != self.descriptor {
            return wrong("descriptor");
        }
        if volume.read_blocks(file, tree)? != self.blocks {
            return wrong("tree of hashes");
        }
        Ok(())
    }
}

/// The hashes of all blocks, the last one filled with zeroes. None for no data.
fn hashes_of(data: &[u8]) -> Vec<u8> {
    let mut hashes = Vec::new();
    for block in data.chunks(BLOCK) {
        let mut sum = Sha256::new();
        sum.update(block);
        sum.update(&[0; BLOCK][block.len()..]);
        hashes.extend(sum.finalize());
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::Tree;

    /// The digests are those of `fsverity digest --hash-alg=sha256 --block-size=4096`.
    #[test]
    fn digests_are_the_kernels() {
        let empty = "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95";
        assert_eq!(Tree::of(b"").digest, empty);
    }

    #[test]
    fn a_tree_has_a_block_of_hashes_for_each_128_blocks() {
        let data = vec![1; 4096 * 129];
        let tree = Tree::of(&data);
        assert_eq!(tree.blocks.len(), 4096 * 3);
        assert_eq!(Tree::of(&data[..4096]).blocks.len(), 0);
        assert_ne!(
            Tree::of(&data[..4096]).digest,
            Tree::of(&data[..4095]).digest
        );
    }
}
