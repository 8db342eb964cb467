//! A layer: what its tar says, file contents gone to the content store.

use crate::blob_reader::unpacked_limit;
use crate::cancel_flag::CancelFlag;
use crate::content_store::{ContentStore, ObjectDigest};
use crate::layer_error::LayerError;
use crate::limits::{
    MAX_ENTRIES, MAX_IMAGE_BYTES, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_PATH_BYTES,
};
use crate::store_error::StoreError;
use crate::tar_header::{EntryKind, TarEntry};
use crate::tar_reader::TarReader;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files of up to this many bytes are part of the EROFS metadata, larger ones are objects. Part of
/// every image's identity, so it never changes (composefs, `INLINE_CONTENT_MAX_V0`).
pub(crate) const MAX_INLINE_BYTES: u64 = 64;

/// Mode, owner, time and extended attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime_sec: i64,
    pub(crate) mtime_nsec: u32,
    pub(crate) xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// What a leaf holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    Inline(Box<[u8]>),
    Object { digest: ObjectDigest, size: u64 },
    Symlink(Box<[u8]>),
    Character(u64),
    Block(u64),
    Fifo,
}

/// What a layer puts at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Directory,
    Leaf(Content),
    HardLink(Box<[u8]>),
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerEntry {
    /// Relative to the root, without `.`, `..` and empty names; empty is the root itself.
    pub(crate) path: Box<[u8]>,
    pub(crate) metadata: Metadata,
    pub(crate) what: What,
}

/// What an image may still use of its limits. Its layers may be read at the same time.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: AtomicU64,
    metadata_bytes: AtomicU64,
    file_bytes: AtomicU64,
}

/// What a layer may still use of its own limit and of its image's.
#[derive(Debug)]
pub(crate) struct LayerBudget<'a> {
    image: &'a Budget,
    /// Bytes that its files may still have, holes included.
    bytes: u64,
    limit: u64,
}

/// Why reading a layer stopped: the layer's fault or the store's.
#[derive(Debug)]
pub(crate) enum ReadError {
    Layer(LayerError),
    Store(StoreError),
}

impl From<LayerError> for ReadError {
    fn from(error: LayerError) -> Self {
        Self::Layer(error)
    }
}

impl Metadata {
    /// Of directories that no layer has, but that something lies in.
    pub(crate) fn implied() -> Self {
        Self {
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime_sec: 0,
            mtime_nsec: 0,
            xattrs: BTreeMap::new(),
        }
    }

    fn of(entry: &TarEntry) -> Self {
        Self {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime_sec: entry.mtime_sec,
            mtime_nsec: entry.mtime_nsec,
            xattrs: entry
                .xattrs
                .iter()
                .filter(|(name, _)| is_kept_xattr(name))
                .map(|(name, value)| (name.as_slice().into(), value.as_slice().into()))
                .collect(),
        }
    }
}

/// The extended attributes that images keep. Others belong to the machine that packed the image
/// (SELinux labels), or would change how the overlay reads it (`trusted.overlay.*`). Part of every
/// image's identity, so it never changes.
fn is_kept_xattr(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || matches!(
            name,
            b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default"
        )
}

impl Budget {
    /// The whole of what one image may use.
    pub(crate) fn new() -> Self {
        Self {
            entries: AtomicU64::new(MAX_ENTRIES),
            metadata_bytes: AtomicU64::new(MAX_METADATA_BYTES),
            file_bytes: AtomicU64::new(MAX_IMAGE_BYTES),
        }
    }

    /// For a layer that is packed in so many bytes.
    pub(crate) fn layer(&self, packed_bytes: u64) -> LayerBudget<'_> {
        let limit = unpacked_limit(packed_bytes);
        LayerBudget {
            image: self,
            bytes: limit,
            limit,
        }
    }

    /// Takes what a layer needs whose entries are known already.
    pub(crate) fn take_known(&self, entries: &[LayerEntry]) -> Result<(), LayerError> {
        for entry in entries {
            let xattrs = entry.metadata.xattrs.iter();
            let xattrs: usize = xattrs.map(|(key, value)| key.len() + value.len()).sum();
            let (link, bytes) = match &entry.what {
                What::HardLink(to) | What::Leaf(Content::Symlink(to)) => (to.len(), 0),
                What::Leaf(Content::Object { size, .. }) => (0, *size),
                What::Leaf(Content::Inline(content)) => (0, content.len() as u64),
                What::Directory
                | What::Leaf(Content::Character(_) | Content::Block(_) | Content::Fifo) => (0, 0),
            };
            self.take(&entry.path, link + xattrs, bytes)?;
        }
        Ok(())
    }

    /// Takes one entry: `more` bytes of metadata beside its path, and `bytes` of content.
    fn take(&self, path: &[u8], more: usize, bytes: u64) -> Result<(), LayerError> {
        let metadata = (path.len() + more) as u64 + MAX_INLINE_BYTES;
        for (left, used, what, limit) in [
            (&self.entries, 1, "the number of entries", MAX_ENTRIES),
            (
                &self.metadata_bytes,
                metadata,
                "the size of all metadata",
                MAX_METADATA_BYTES,
            ),
            (
                &self.file_bytes,
                bytes,
                "the size of all files",
                MAX_IMAGE_BYTES,
            ),
        ] {
            let take = |left: u64| left.checked_sub(used);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .map_err(|_| over(what, limit, path))?;
        }
        Ok(())
    }
}

fn over(what: &'static str, limit: u64, path: &[u8]) -> LayerError {
    LayerError::Limit {
        what,
        limit,
        path: String::from_utf8_lossy(path).into_owned(),
    }
}

impl LayerBudget<'_> {
    fn take(&mut self, entry: &TarEntry) -> Result<(), LayerError> {
        let xattrs: usize = entry.xattrs.iter().map(|(k, v)| k.len() + v.len()).sum();
        self.image
            .take(&entry.path, entry.link.len() + xattrs, entry.size)?;
        let of_layer = "the size of its files, for what the layer is packed in,";
        self.bytes = self
            .bytes
            .checked_sub(entry.size)
            .ok_or_else(|| over(of_layer, self.limit, &entry.path))?;
        Ok(())
    }
}

/// Reads a tar to its end of archive. File contents go to `store`; what comes back is not bigger
/// than [`Budget`] allows.
pub(crate) fn read_entries(
    input: impl Read,
    store: &dyn ContentStore,
    mut budget: LayerBudget<'_>,
    cancel: &CancelFlag,
) -> Result<Vec<LayerEntry>, ReadError> {
    let mut tar = TarReader::new(input);
    let mut entries = Vec::new();
    while let Some(entry) = tar.next()? {
        if cancel.is_set() {
            return Err(LayerError::Cancelled.into());
        }
        budget.take(&entry)?;
        let path = normalise(&entry.path, &entry.path)?;
        let what = match entry.kind {
            EntryKind::File => What::Leaf(read_file(&mut tar, &entry, store)?),
            EntryKind::Directory => What::Directory,
            EntryKind::Symlink => What::Leaf(Content::Symlink(symlink(&entry)?)),
            EntryKind::HardLink => What::HardLink(normalise(&entry.link, &entry.path)?),
            EntryKind::Character(device) => What::Leaf(Content::Character(device)),
            EntryKind::Block(device) => What::Leaf(Content::Block(device)),
            EntryKind::Fifo => What::Leaf(Content::Fifo),
        };
        entries.push(LayerEntry {
            path,
            metadata: Metadata::of(&entry),
            what,
        });
    }
    Ok(entries)
}

fn read_file<R: Read>(
    tar: &mut TarReader<R>,
    entry: &TarEntry,
    store: &dyn ContentStore,
) -> Result<Content, ReadError> {
    if entry.size <= MAX_INLINE_BYTES {
        let mut data = vec![0; entry.size as usize];
        tar.read_exact(&mut data).map_err(LayerError::Read)?;
        return Ok(Content::Inline(data.into()));
    }
    match store.put_object(tar, entry.size) {
        Ok(digest) => Ok(Content::Object {
            digest,
            size: entry.size,
        }),
        // The store only sees that a read failed; the reader knows why.
        Err(error) => match tar.take_fault() {
            Some(fault) => Err(ReadError::Layer(fault)),
            None => Err(ReadError::Store(error)),
        },
    }
}

fn symlink(entry: &TarEntry) -> Result<Box<[u8]>, LayerError> {
    if entry.link.is_empty() || entry.link.len() > MAX_PATH_BYTES || entry.link.contains(&0) {
        return Err(path_error(
            &entry.path,
            "a symbolic link of no or too long target",
        ));
    }
    Ok(entry.link.as_slice().into())
}

/// `path` relative to the root. A leading `/` and `.` are dropped, `..` is refused.
fn normalise(path: &[u8], entry: &[u8]) -> Result<Box<[u8]>, LayerError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(path_error(entry, "the path is longer than 4095 bytes"));
    }
    if path.contains(&0) {
        return Err(path_error(entry, "a path with a zero byte"));
    }
    let mut whole = Vec::with_capacity(path.len());
    for name in path
        .split(|b| *b == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
    {
        if name == b".." {
            return Err(path_error(entry, "a path with `..` may leave the image"));
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(path_error(entry, "a name is longer than 255 bytes"));
        }
        if !whole.is_empty() {
            whole.push(b'/');
        }
        whole.extend_from_slice(name);
    }
    Ok(whole.into())
}

fn path_error(path: &[u8], why: &'static str) -> LayerError {
    LayerError::Path {
        path: String::from_utf8_lossy(path).into_owned(),
        why,
    }
}
