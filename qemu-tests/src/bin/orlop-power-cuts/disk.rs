//! A disk as a power cut leaves it: an image file that can be changed and taken back, with a hash of
//! every block.

use crate::Outcome;
use crate::random::mixed;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a block: what hashes are kept of.
pub(crate) const BLOCK: usize = 4096;
/// The same as the type of offsets.
pub(crate) const BLOCK_BYTES: u64 = BLOCK as u64;
/// Bytes that a disk writes all at once or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;
/// The hash of a block of zeroes.
pub(crate) const ZERO: u64 = 0;

/// The disk.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    path: PathBuf,
    hashes: Vec<u64>,
    /// Ranges of blocks, and one number for the content of each.
    watched: Vec<(Range<usize>, u64)>,
    /// What to put back, the newest last; none while changes are for good.
    undo: Option<Vec<(usize, Vec<u8>, u64)>>,
}

impl Disk {
    /// The image in this file, which it owns.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let blocks = usize::try_from(file.metadata()?.len().div_ceil(BLOCK_BYTES))?;
        let mut disk = Self {
            file,
            path: path.to_owned(),
            hashes: vec![ZERO; blocks],
            watched: Vec::new(),
            undo: None,
        };
        let mut data = vec![0; BLOCK];
        for range in data_ranges(&disk.file)? {
            for block in range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES) {
                let block = usize::try_from(block)?;
                disk.read_block(block, &mut data)?;
                disk.hashes[block] = hash(&data);
            }
        }
        Ok(disk)
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// The hash of a block; two of the same content have the same.
    pub(crate) fn hash(&self, block: usize) -> u64 {
        self.hashes.get(block).copied().unwrap_or(ZERO)
    }

    /// Whether a block is all zeroes.
    pub(crate) fn is_zero(&self, block: usize) -> bool {
        self.hash(block) == ZERO
    }

    /// Keeps one number for the content of a range of bytes, which begins and ends with a block. Gives
    /// the watch's number.
    pub(crate) fn watch(&mut self, range: &Range<u64>) -> Outcome<usize> {
        let blocks = usize::try_from(range.start / BLOCK_BYTES)?
            ..usize::try_from(range.end.div_ceil(BLOCK_BYTES))?;
        let identity = blocks
            .clone()
            .fold(0, |sum, block| sum ^ share(block, self.hash(block)));
        self.watched.push((blocks, identity));
        Ok(self.watched.len() - 1)
    }

    /// The number for the content of a watched range: the same for the same content.
    pub(crate) fn identity(&self, watch: usize) -> u64 {
        self.watched[watch].1
    }

    /// Writes.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Outcome<()> {
        let mut block_data = vec![0; BLOCK];
        let mut done = 0;
        while done < data.len() {
            let at = usize::try_from(offset)? + done;
            let (block, inside) = (at / BLOCK, at % BLOCK);
            let piece = (BLOCK - inside).min(data.len() - done);
            self.read_block(block, &mut block_data)?;
            self.remember(block, &block_data);
            block_data[inside..inside + piece].copy_from_slice(&data[done..done + piece]);
            self.put(block, &block_data, hash(&block_data))?;
            done += piece;
        }
        Ok(())
    }

    /// Writes zeroes.
    pub(crate) fn zero(&mut self, offset: u64, length: u64) -> Outcome<()> {
        let end = offset + length;
        let mut at = offset;
        while at < end {
            let next = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
            let piece = next.min(end) - at;
            if self.hash(usize::try_from(at / BLOCK_BYTES)?) != ZERO {
                self.write(at, &vec![0; usize::try_from(piece)?])?;
            }
            at += piece;
        }
        Ok(())
    }

    /// From here on changes can be taken back.
    pub(crate) fn begin_trial(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Takes back all changes since [`Self::begin_trial`].
    pub(crate) fn end_trial(&mut self) -> Outcome<()> {
        for (block, data, hash) in self.undo.take().unwrap_or_default().into_iter().rev() {
            self.put(block, &data, hash)?;
        }
        Ok(())
    }

    fn read_block(&self, block: usize, data: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(data, block as u64 * BLOCK_BYTES)
    }

    fn remember(&mut self, block: usize, data: &[u8]) {
        let hash = self.hashes[block];
        if let Some(undo) = &mut self.undo {
            undo.push((block, data.to_vec(), hash));
        }
    }

    fn put(&mut self, block: usize, data: &[u8], hash: u64) -> io::Result<()> {
        let change = share(block, self.hashes[block]) ^ share(block, hash);
        for (range, identity) in &mut self.watched {
            if range.contains(&block) {
                *identity ^= change;
            }
        }
        self.hashes[block] = hash;
        self.file.write_all_at(data, block as u64 * BLOCK_BYTES)
    }
}

/// What a block adds to the number of a range. Blocks of zeroes add nothing.
fn share(block: usize, hash: u64) -> u64 {
    if hash == ZERO {
        0
    } else {
        mixed(hash ^ mixed(block as u64))
    }
}

/// A hash of a block's content; [`ZERO`] for zeroes.
pub(crate) fn hash(data: &[u8]) -> u64 {
    if data.iter().all(|byte| *byte == 0) {
        return ZERO;
    }
    let mut word = [0; 8];
    word.copy_from_slice(&Sha256::digest(data)[..8]);
    u64::from_le_bytes(word)
}

/// Where a file is not a hole.
fn data_ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    use rustix::fs::{SeekFrom, seek};
    let mut ranges = Vec::new();
    let mut at = 0;
    loop {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => return Ok(ranges),
            Err(error) => return Err(error.into()),
        };
        at = seek(file, SeekFrom::Hole(start))?;
        ranges.push(start..at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_trial_are_taken_back_and_the_identity_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        File::create(&path)
            .unwrap()
            .set_len(8 * BLOCK_BYTES)
            .unwrap();
        let mut disk = Disk::open(&path).unwrap();
        let all = 0..8 * BLOCK_BYTES;
        let watch = disk.watch(&all).unwrap();
        assert_eq!(disk.identity(watch), 0);
        disk.write(4000, &[1; 200]).unwrap();
        let before = disk.identity(watch);
        disk.begin_trial();
        disk.write(4100, &[2; 9000]).unwrap();
        disk.zero(0, 4096 * 3).unwrap();
        assert_ne!(disk.identity(watch), before);
        disk.end_trial().unwrap();
        assert_eq!(disk.identity(watch), before);
        let mut data = [0; 202];
        disk.read(3999, &mut data).unwrap();
        assert_eq!((data[0], data[1], data[200], data[201]), (0, 1, 1, 0));
        // It is of content alone: what is opened anew has the same.
        let mut again = Disk::open(&path).unwrap();
        let watch_again = again.watch(&all).unwrap();
        assert_eq!(again.identity(watch_again), before);
        disk.zero(4000, 200).unwrap();
        assert_eq!(disk.identity(watch), 0);
    }
}
