//! Folders, and files by their path.

use super::inode::{Inode, Kind};
use super::volume::{Ext4, Ext4Error};
use crate::disk::BLOCK;
use crate::fields::{le16, le32};
use std::collections::BTreeMap;

/// The largest folder that is read, in bytes.
const MAX_FOLDER: u64 = 64 << 20;

impl Ext4<'_> {
    /// What is in a folder, without `.` and `..`: names and inodes. Blocks of an index look like ones
    /// with nothing in them.
    pub(crate) fn names(&self, folder: &Inode) -> Result<BTreeMap<String, u32>, Ext4Error> {
        let data = self.content(folder, MAX_FOLDER)?;
        let mut names = BTreeMap::new();
        for block in data.chunks(BLOCK) {
            let mut at = 0;
            while at + 8 <= block.len() {
                let (inode, length) = (le32(block, at), usize::from(le16(block, at + 4)));
                let name = at + 8..at + 8 + usize::from(block[at + 6]);
                if length < 8 || at + length > block.len() || name.end > block.len() {
                    return Err(Ext4Error("a folder is damaged".to_owned()));
                }
                let name = String::from_utf8_lossy(&block[name]).into_owned();
                if inode != 0 && name != "." && name != ".." {
                    names.insert(name, inode);
                }
                at += length;
            }
        }
        Ok(names)
    }

    /// The inode at a path from the root; none where there is no such name.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Inode>, Ext4Error> {
        let mut inode = self.root()?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if inode.kind != Kind::Folder {
                return Ok(None);
            }
            match self.names(&inode)?.get(part) {
                Some(number) => inode = self.inode(*number)?,
                None => return Ok(None),
            }
        }
        Ok(Some(inode))
    }

    /// The content of the file at a path; none where there is no such file.
    pub(crate) fn file(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Ext4Error> {
        match self.find(path)? {
            Some(inode) if inode.kind == Kind::File => self.content(&inode, limit).map(Some),
            _ => Ok(None),
        }
    }

    /// The names in the folder at a path; none where there is no such folder.
    pub(crate) fn folder(&self, path: &str) -> Result<BTreeMap<String, u32>, Ext4Error> {
        match self.find(path)? {
            Some(inode) if inode.kind == Kind::Folder => self.names(&inode),
            _ => Ok(BTreeMap::new()),
        }
    }
}
