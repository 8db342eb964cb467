//! The file system of an image while it is put together: metadata in memory, content wherever it
//! comes from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a file's content is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// A file of the build machine.
    File(PathBuf),
    /// A part of a file: an entry of the base's tar.
    Part {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
}

impl Content {
    /// All of it.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File(path) => {
                let mut bytes = Vec::new();
                File::open(path)?.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Self::Part {
                file,
                offset,
                length,
            } => {
                let length = usize::try_from(*length).map_err(io::Error::other)?;
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, *offset)?;
                Ok(bytes)
            }
        }
    }
}

/// What a path is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Dir,
    File(Content),
    Link { target: String },
}

/// An entry of a file system. Owners other than root exist where packages made them.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
}

impl Node {
    /// A directory of root's.
    pub(crate) fn dir(mode: u32) -> Self {
        Self {
            kind: Kind::Dir,
            mode,
            uid: 0,
            gid: 0,
        }
    }

    /// A file of root's.
    pub(crate) fn file(content: Content, mode: u32) -> Self {
        Self {
            kind: Kind::File(content),
            mode,
            uid: 0,
            gid: 0,
        }
    }

    /// A symbolic link of root's.
    pub(crate) fn link(target: &str) -> Self {
        Self {
            kind: Kind::Link {
                target: target.to_owned(),
            },
            mode: 0o777,
            uid: 0,
            gid: 0,
        }
    }
}

/// A file system: entries by path, without leading slash. Every parent is an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// Puts an entry in place, with the directories above it where they are missing.
    pub(crate) fn insert(&mut self, path: &str, node: Node) {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        for parent in parents {
            self.nodes
                .entry(parent.to_owned())
                .or_insert_with(|| Node::dir(0o755));
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// The entry at a path.
    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The content of the regular file at a path.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.get(path).map(|node| &node.kind) {
            Some(Kind::File(content)) => content.read(),
            _ => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no file {path} in the packages"),
            )),
        }
    }

    /// All entries, parents before what is in them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// The regular files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.iter().filter_map(|(path, node)| match &node.kind {
            Kind::File(content) => Some((path, content)),
            _ => None,
        })
    }

    /// Moves everything at and below a path elsewhere.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let below = format!("{from}/");
        let moved: Vec<String> = self
            .nodes
            .keys()
            .filter(|p| *p == from || p.starts_with(&below))
            .cloned()
            .collect();
        for path in moved {
            if let Some(node) = self.nodes.remove(&path) {
                self.insert(&format!("{to}{}", &path[from.len()..]), node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn parents_come_with_an_entry_and_before_it() {
        let mut tree = Tree::default();
        tree.insert("etc/ssl/certs", Node::link("x"));
        assert_eq!(paths(&tree), ["etc", "etc/ssl", "etc/ssl/certs"]);
    }

    #[test]
    fn renaming_a_directory_takes_all_below_it_and_no_neighbour() {
        let mut tree = Tree::default();
        for path in ["etc/passwd", "etcetera", "etc/ssl/x"] {
            tree.insert(path, Node::link("t"));
        }
        tree.rename("etc", "usr/share/factory/etc");
        assert!(tree.get("etcetera").is_some() && tree.get("etc").is_none());
        assert!(tree.get("usr/share/factory/etc/ssl/x").is_some());
        assert!(tree.get("usr/share/factory/etc/passwd").is_some());
    }
}
