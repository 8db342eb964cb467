//! An ext4 file system as it is after its journal was replayed, read and not written.
//!
//! What the kernel does at the next mount is what counts: so the journal of the image is followed as the
//! kernel follows it (fs/jbd2/recovery.c), and blocks that it would copy are read where they lie in the
//! journal. Whether the whole is consistent is asked of `e2fsck`, which replays by itself.
//! Format: Documentation/filesystems/ext4 of Linux.

mod directory;
mod inode;
mod journal;
mod volume;

pub(crate) use inode::{DataCache, Inode, Kind};
pub(crate) use volume::{Ext4, Ext4Error, JournalCache};
