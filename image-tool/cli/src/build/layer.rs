//! Layers: a tar that depends on nothing but its content, compressed, with its digests.

use super::tree::{Kind, Tree};
use orlop_config::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A layer that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerWriteError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot add {entry} to the layer")]
    Entry { entry: String, source: io::Error },
}

/// A layer as a file.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// The compressed tar.
    pub(crate) path: PathBuf,
    /// Digest of the file.
    pub(crate) digest: Digest,
    /// Digest of the tar in it.
    pub(crate) diff_id: Digest,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Bytes of the tar.
    pub(crate) tar_size: u64,
}

/// How to write a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerOptions {
    /// Modification time of all entries, seconds since 1970.
    pub(crate) epoch: u64,
    /// Level of zstd.
    pub(crate) level: i32,
}

/// Writes a tree as a layer to `path`: entries by name, every time the same, numbers for owners. Not
/// synced.
pub(crate) fn write(
    tree: &Tree,
    path: &Path,
    options: LayerOptions,
) -> Result<Layer, LayerWriteError> {
    let failed = |source| LayerWriteError::Write {
        path: path.to_owned(),
        source,
    };
    let file = Hashing::new(File::create(path).map_err(failed)?);
    let mut encoder = zstd::Encoder::new(file, options.level).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let mut archive = tar::Builder::new(Hashing::new(encoder));
    for (entry, node) in tree.iter() {
        append(&mut archive, entry, node, options.epoch).map_err(|source| {
            LayerWriteError::Entry {
                entry: entry.to_owned(),
                source,
            }
        })?;
    }
    let (encoder, diff_id, tar_size) = archive.into_inner().map_err(failed)?.finish();
    let (_file, digest, size) = encoder.finish().map_err(failed)?.finish();
    Ok(Layer {
        path: path.to_owned(),
        digest,
        diff_id,
        size,
        tar_size,
    })
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    node: &super::tree::Node,
    epoch: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(node.mode);
    header.set_uid(node.uid);
    header.set_gid(node.gid);
    header.set_mtime(epoch);
    header.set_size(0);
    match &node.kind {
        Kind::Dir => {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Kind::Link { target } => {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, path, target)
        }
        Kind::File(content) => {
            let bytes = content.read()?;
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, &*bytes)
        }
    }
}

/// Counts and hashes what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            length: 0,
        }
    }

    fn finish(self) -> (W, Digest, u64) {
        let text = format!("sha256:{}", hex::encode(self.hash.finalize()));
        let digest = text.parse().expect("a SHA-256 is 64 hex digits");
        (self.inner, digest, self.length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tree::{Content, Node};
    use std::io::Read as _;

    const OPTIONS: LayerOptions = LayerOptions {
        epoch: 1_767_225_600,
        level: 3,
    };

    fn tree(order: [&str; 3]) -> Tree {
        let mut tree = Tree::default();
        for path in order {
            let content = Content::Bytes(path.as_bytes().to_vec());
            tree.insert(path, Node::file(content, 0o644));
        }
        tree.insert("usr/link", Node::link(&"long/".repeat(40)));
        tree
    }

    #[test]
    fn a_layer_depends_on_its_content_alone() {
        let dir = tempfile::tempdir().unwrap();
        let one = write(&tree(["a", "usr/b", "c"]), &dir.path().join("1"), OPTIONS).unwrap();
        let two = write(&tree(["c", "a", "usr/b"]), &dir.path().join("2"), OPTIONS).unwrap();
        assert_eq!((&one.digest, &one.diff_id), (&two.digest, &two.diff_id));
        assert_eq!(
            std::fs::read(&one.path).unwrap(),
            std::fs::read(&two.path).unwrap()
        );
        let other = LayerOptions {
            epoch: 1,
            ..OPTIONS
        };
        let three = write(&tree(["a", "usr/b", "c"]), &dir.path().join("3"), other).unwrap();
        assert_ne!(one.diff_id, three.diff_id);
    }

    #[test]
    fn the_digests_of_a_layer_are_those_of_its_file_and_tar() {
        let dir = tempfile::tempdir().unwrap();
        let layer = write(&tree(["a", "usr/b", "c"]), &dir.path().join("1"), OPTIONS).unwrap();
        let file = std::fs::read(&layer.path).unwrap();
        let mut tar = Vec::new();
        zstd::Decoder::new(&*file)
            .unwrap()
            .read_to_end(&mut tar)
            .unwrap();
        assert_eq!(
            (Digest::of(&file), file.len() as u64),
            (layer.digest, layer.size)
        );
        assert_eq!(
            (Digest::of(&tar), tar.len() as u64),
            (layer.diff_id, layer.tar_size)
        );
    }
}
