//! From a tree to an EROFS metadata image and back, by composefs.

use crate::content_store::ObjectDigest;
use crate::layer::{Content, Metadata};
use crate::layer_error::LayerError;
use crate::tree::{Node, NodeId, Tree};
use composefs::erofs::format::FormatVersion;
use composefs::erofs::reader::erofs_to_filesystem;
use composefs::erofs::writer::{ValidatedFileSystem, mkfs_erofs_versioned};
use composefs::fsverity::{FsVerityHashValue, Sha256HashValue, compute_verity};
use composefs::tree;
use orlop_config::RootDigest;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The EROFS layout. Part of every image's identity, so it never changes.
pub(crate) const FORMAT: FormatVersion = FormatVersion::V1;

/// The bits of a mode that are not its type.
const PERMISSION_BITS: u32 = 0o7777;

/// The metadata image of `tree` and its digest. Takes the tree, so that it is gone before the image is
/// written: both are as big as the image has entries.
pub(crate) fn image_of(tree: Tree) -> Result<(Box<[u8]>, RootDigest), LayerError> {
    let mut builder = Builder {
        tree: &tree,
        leaves: Vec::new(),
        ids: HashMap::new(),
    };
    let root = builder.directory(tree.root());
    let fs = tree::FileSystem {
        root,
        leaves: builder.leaves,
    };
    drop(builder.ids);
    drop(tree);
    let fs = ValidatedFileSystem::new(fs).map_err(|e| LayerError::Tree(format!("{e:#}")))?;
    let image = mkfs_erofs_versioned(&fs, FORMAT);
    let digest = compute_verity::<Sha256HashValue>(&image);
    Ok((image, root_digest(&digest)))
}

/// A composefs digest as ours.
pub(crate) fn root_digest(digest: &Sha256HashValue) -> RootDigest {
    digest
        .to_hex()
        .parse()
        .expect("a SHA-256 digest is 64 lower-case hex digits")
}

/// Our digest as composefs has it.
pub(crate) fn hash_value(root: &RootDigest) -> Sha256HashValue {
    Sha256HashValue::from_hex(root.as_str()).expect("a RootDigest is 64 lower-case hex digits")
}

struct Builder<'a> {
    tree: &'a Tree,
    leaves: Vec<tree::Leaf<Sha256HashValue>>,
    ids: HashMap<NodeId, tree::generic_tree::LeafId>,
}

impl Builder<'_> {
    /// Recursion is as deep as the tree: at most `MAX_DEPTH`.
    fn directory(&mut self, id: NodeId) -> tree::Directory<Sha256HashValue> {
        let Node::Directory { metadata, children } = self.tree.node(id) else {
            return tree::Directory::new(stat(&Metadata::implied()));
        };
        let mut directory = tree::Directory::new(stat(metadata));
        for (name, child) in children {
            let inode = match self.tree.node(*child) {
                Node::Directory { .. } => tree::Inode::Directory(Box::new(self.directory(*child))),
                Node::Leaf { metadata, content } => {
                    tree::Inode::leaf(self.leaf(*child, metadata, content))
                }
            };
            directory.insert(OsStr::from_bytes(name), inode);
        }
        directory
    }

    fn leaf(
        &mut self,
        id: NodeId,
        metadata: &Metadata,
        content: &Content,
    ) -> tree::generic_tree::LeafId {
        let leaves = &mut self.leaves;
        *self.ids.entry(id).or_insert_with(|| {
            leaves.push(tree::Leaf {
                stat: stat(metadata),
                content: leaf_content(content),
            });
            tree::generic_tree::LeafId(leaves.len() - 1)
        })
    }
}

fn stat(metadata: &Metadata) -> tree::Stat {
    tree::Stat {
        st_mode: metadata.mode,
        st_uid: metadata.uid,
        st_gid: metadata.gid,
        st_mtim_sec: metadata.mtime_sec,
        st_mtim_nsec: metadata.mtime_nsec,
        xattrs: metadata
            .xattrs
            .iter()
            .map(|(name, value)| (OsStr::from_bytes(name).into(), value.clone()))
            .collect(),
    }
}

fn leaf_content(content: &Content) -> tree::LeafContent<Sha256HashValue> {
    use tree::{LeafContent, RegularFile};
    match content {
        Content::Inline(data) => LeafContent::Regular(RegularFile::Inline(data.clone())),
        Content::Object { digest, size } => LeafContent::Regular(RegularFile::External(
            Sha256HashValue::from_hex(digest.to_string()).expect("32 bytes are 64 hex digits"),
            *size,
        )),
        Content::Symlink(target) => LeafContent::Symlink(OsStr::from_bytes(target).into()),
        Content::Character(device) => LeafContent::CharacterDevice(*device),
        Content::Block(device) => LeafContent::BlockDevice(*device),
        Content::Fifo => LeafContent::Fifo,
    }
}

/// The files of a metadata image that are objects: absolute path and object. For whoever has an image's
/// bytes and no store, such as a check of a disk from outside.
///
/// # Errors
/// What is wrong with the bytes, in words.
pub fn objects_in(image: &[u8]) -> Result<Vec<(PathBuf, ObjectDigest)>, String> {
    let fs = erofs_to_filesystem::<Sha256HashValue>(image).map_err(|e| format!("{e:#}"))?;
    let mut found = Vec::new();
    walk(&fs, &fs.root, Path::new("/"), &mut found);
    Ok(found)
}

fn walk(
    fs: &tree::FileSystem<Sha256HashValue>,
    directory: &tree::Directory<Sha256HashValue>,
    path: &Path,
    found: &mut Vec<(PathBuf, ObjectDigest)>,
) {
    for (name, inode) in directory.entries() {
        let path = path.join(name);
        match inode {
            tree::Inode::Directory(child) => walk(fs, child, &path, found),
            tree::Inode::Leaf(id, _) => {
                if let tree::LeafContent::Regular(tree::RegularFile::External(digest, _)) =
                    &fs.leaf(*id).content
                {
                    found.push((path, object_digest(digest)));
                }
            }
        }
    }
}

/// What an entry of an image is. Two images that agree on it for a path have the same there, but for
/// the time of its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Permission bits.
    pub mode: u32,
    /// Its owner's user id.
    pub uid: u32,
    /// Its owner's group id.
    pub gid: u32,
    /// What it holds.
    pub content: FileContent,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What an entry of an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// Other entries.
    Directory,
    /// A file so small that it is part of the metadata.
    Inline(Vec<u8>),
    /// A file that is an object.
    Object(ObjectDigest),
    /// A symbolic link's target.
    Symlink(Vec<u8>),
    /// A device node, pipe or socket: its type as in st_mode, and the device's number.
    Special(u32, u64),
}

/// Every entry of a metadata image, by absolute path; without the root itself.
pub(crate) fn files_in(image: &[u8]) -> Result<BTreeMap<PathBuf, FileState>, String> {
    let fs = erofs_to_filesystem::<Sha256HashValue>(image).map_err(|e| format!("{e:#}"))?;
    let mut found = BTreeMap::new();
    walk_states(&fs, &fs.root, Path::new("/"), &mut found);
    Ok(found)
}

fn walk_states(
    fs: &tree::FileSystem<Sha256HashValue>,
    directory: &tree::Directory<Sha256HashValue>,
    path: &Path,
    found: &mut BTreeMap<PathBuf, FileState>,
) {
    for (name, inode) in directory.entries() {
        let path = path.join(name);
        let state = match inode {
            tree::Inode::Directory(child) => {
                walk_states(fs, child, &path, found);
                file_state(&child.stat, FileContent::Directory)
            }
            tree::Inode::Leaf(id, _) => {
                let leaf = fs.leaf(*id);
                file_state(&leaf.stat, content_of(&leaf.content))
            }
        };
        found.insert(path, state);
    }
}

fn file_state(stat: &tree::Stat, content: FileContent) -> FileState {
    let xattrs = stat.xattrs.iter();
    FileState {
        mode: stat.st_mode & PERMISSION_BITS,
        uid: stat.st_uid,
        gid: stat.st_gid,
        content,
        xattrs: xattrs
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .collect(),
    }
}

fn content_of(content: &tree::LeafContent<Sha256HashValue>) -> FileContent {
    use tree::{LeafContent, RegularFile};
    match content {
        LeafContent::Regular(RegularFile::Inline(data)) => FileContent::Inline(data.to_vec()),
        LeafContent::Regular(RegularFile::External(digest, _)) => {
            FileContent::Object(object_digest(digest))
        }
        LeafContent::Symlink(target) => FileContent::Symlink(target.as_bytes().to_vec()),
        LeafContent::BlockDevice(device) | LeafContent::CharacterDevice(device) => {
            FileContent::Special(content.file_type_bits(), *device)
        }
        LeafContent::Fifo | LeafContent::Socket => {
            FileContent::Special(content.file_type_bits(), 0)
        }
        // Files whose content is nowhere: this crate makes none.
        LeafContent::Regular(_) => FileContent::Special(content.file_type_bits(), 0),
    }
}

/// A composefs digest as an object's name.
pub(crate) fn object_digest(digest: &Sha256HashValue) -> ObjectDigest {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digest.to_hex(), &mut bytes)
        .expect("a SHA-256 digest is 64 hex digits, which are 32 bytes");
    ObjectDigest(bytes)
}
