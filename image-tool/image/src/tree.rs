//! A file system tree in memory, made by applying layers one upon the other.

use crate::layer::{Content, LayerEntry, Metadata, What};
use crate::layer_error::LayerError;
use crate::limits::{MAX_DEPTH, MAX_SYMLINKS};
use std::collections::BTreeMap;

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(usize);

/// A file, directory or special file. Hard links are names of the same node.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Directory {
        metadata: Metadata,
        children: BTreeMap<Box<[u8]>, NodeId>,
    },
    Leaf {
        metadata: Metadata,
        content: Content,
    },
}

/// The tree. Directories that no layer has get [`Metadata::implied`].
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

const ROOT: NodeId = NodeId(0);
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Marks of the old AUFS that mean nothing to anybody else.
const AUFS: &[u8] = b".wh..wh.";

/// Where an entry goes.
struct Place {
    parent: NodeId,
    name: Box<[u8]>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let root = Node::Directory {
            metadata: Metadata::implied(),
            children: BTreeMap::new(),
        };
        Self { nodes: vec![root] }
    }

    pub(crate) fn root(&self) -> NodeId {
        ROOT
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Bytes of all files that can be reached; hard links count once for each node.
    pub(crate) fn size_bytes(&self) -> u64 {
        let mut reached = vec![false; self.nodes.len()];
        let mut todo = vec![ROOT];
        let mut sum = 0;
        while let Some(id) = todo.pop() {
            if std::mem::replace(&mut reached[id.0], true) {
                continue;
            }
            match self.node(id) {
                Node::Directory { children, .. } => todo.extend(children.values()),
                Node::Leaf {
                    content: Content::Inline(data),
                    ..
                } => sum += data.len() as u64,
                Node::Leaf {
                    content: Content::Object { size, .. },
                    ..
                } => sum += size,
                Node::Leaf { .. } => {}
            }
        }
        sum
    }

    /// Lays `entries` over the tree. Whiteouts come first, so that they hide what the layers below
    /// have and never what this layer adds, whatever the order in the tar (OCI image
    /// specification, layer.md, "Whiteouts").
    pub(crate) fn apply(&mut self, entries: Vec<LayerEntry>) -> Result<(), LayerError> {
        for entry in &entries {
            if let Some((parent, name)) = whiteout(&entry.path) {
                self.white_out(entry, parent, name)?;
            } else if is_overlay_whiteout(entry) {
                let (parent, name) = split(&entry.path);
                self.hide(entry, parent, name)?;
            }
        }
        for entry in entries {
            if whiteout(&entry.path).is_none() && !is_overlay_whiteout(&entry) {
                self.place(entry)?;
            }
        }
        Ok(())
    }

    /// Removes what the layers below have at a path.
    fn hide(&mut self, entry: &LayerEntry, parent: &[u8], name: &[u8]) -> Result<(), LayerError> {
        if let Some(parent) = self.find_directory(parent, &entry.path)?
            && let Node::Directory { children, .. } = &mut self.nodes[parent.0]
        {
            children.remove(name);
        }
        Ok(())
    }

    fn white_out(
        &mut self,
        entry: &LayerEntry,
        parent: &[u8],
        name: &[u8],
    ) -> Result<(), LayerError> {
        if name == OPAQUE {
            if let Some(parent) = self.find_directory(parent, &entry.path)?
                && let Node::Directory { children, .. } = &mut self.nodes[parent.0]
            {
                children.clear();
            }
            return Ok(());
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        let hidden = &name[WHITEOUT.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(path_error(&entry.path, "a whiteout of no name"));
        }
        self.hide(entry, parent, hidden)
    }

    fn place(&mut self, entry: LayerEntry) -> Result<(), LayerError> {
        if entry.path.is_empty() {
            return self.set_root(entry);
        }
        let place = self.place_of(&entry.path)?;
        let old = self.child(place.parent, &place.name);
        let id = match entry.what {
            What::Directory => {
                if let Some(id) = old
                    && let Node::Directory { metadata, .. } = &mut self.nodes[id.0]
                {
                    *metadata = entry.metadata;
                    return Ok(());
                }
                self.push(Node::Directory {
                    metadata: entry.metadata,
                    children: BTreeMap::new(),
                })
            }
            What::HardLink(target) => {
                let id = self.link_target(&entry.path, &target)?;
                self.set_by_link(id, entry.metadata);
                id
            }
            What::Leaf(content) => self.push(Node::Leaf {
                metadata: entry.metadata,
                content,
            }),
        };
        if let Node::Directory { children, .. } = &mut self.nodes[place.parent.0] {
            children.insert(place.name, id);
        }
        Ok(())
    }

    fn set_root(&mut self, entry: LayerEntry) -> Result<(), LayerError> {
        match (&mut self.nodes[0], entry.what) {
            (Node::Directory { metadata, .. }, What::Directory) => {
                *metadata = entry.metadata;
                Ok(())
            }
            _ => Err(path_error(b"/", "the root is not a directory")),
        }
    }

    /// What a hard link's entry says of mode, owner, time and attributes goes for the file that it is
    /// a name of, as everywhere. A symbolic link's mode and time stay.
    fn set_by_link(&mut self, id: NodeId, by_link: Metadata) {
        let Node::Leaf { metadata, content } = &mut self.nodes[id.0] else {
            return;
        };
        let mut xattrs = std::mem::take(&mut metadata.xattrs);
        xattrs.extend(by_link.xattrs);
        *metadata = match content {
            Content::Symlink(_) => Metadata {
                uid: by_link.uid,
                gid: by_link.gid,
                xattrs,
                ..*metadata
            },
            _ => Metadata { xattrs, ..by_link },
        };
    }

    fn link_target(&self, path: &[u8], target: &[u8]) -> Result<NodeId, LayerError> {
        let fail = |why| LayerError::Link {
            path: String::from_utf8_lossy(path).into_owned(),
            target: String::from_utf8_lossy(target).into_owned(),
            why,
        };
        let (parent, name) = split(target);
        let parent = self.find_directory(parent, path)?;
        let id = parent.and_then(|parent| self.child(parent, name));
        let id = id.ok_or_else(|| fail("the target is not in the image so far"))?;
        match &self.nodes[id.0] {
            Node::Directory { .. } => Err(fail("the target is a directory")),
            Node::Leaf { .. } => Ok(id),
        }
    }

    /// The directory and name of a path, symbolic links in the directory's path followed within
    /// the tree, missing directories made.
    fn place_of(&mut self, path: &[u8]) -> Result<Place, LayerError> {
        let (parent, name) = split(path);
        let mut walk = Walk::new(self, parent, path);
        let parent = loop {
            match walk.step(self)? {
                Step::At(id) => break id,
                Step::Missing { parent, name } => {
                    let id = self.push(Node::Directory {
                        metadata: Metadata::implied(),
                        children: BTreeMap::new(),
                    });
                    if let Node::Directory { children, .. } = &mut self.nodes[parent.0] {
                        children.insert(name, id);
                    }
                    walk.enter(id)?;
                }
            }
        };
        Ok(Place {
            parent,
            name: name.into(),
        })
    }

    /// The directory at `path`, symbolic links followed; none where there is none.
    fn find_directory(&self, path: &[u8], whole: &[u8]) -> Result<Option<NodeId>, LayerError> {
        match Walk::new(self, path, whole).step(self)? {
            Step::At(id) => Ok(Some(id)),
            Step::Missing { .. } => Ok(None),
        }
    }

    fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &self.nodes[directory.0] {
            Node::Directory { children, .. } => children.get(name).copied(),
            Node::Leaf { .. } => None,
        }
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }
}

enum Step {
    At(NodeId),
    Missing { parent: NodeId, name: Box<[u8]> },
}

/// A walk down a path, as the kernel would do it with the tree as its root directory.
struct Walk {
    /// Directories from the root to where the walk is.
    stack: Vec<NodeId>,
    /// Names still to be walked, the next one last.
    rest: Vec<Box<[u8]>>,
    links: usize,
    whole: Vec<u8>,
}

impl Walk {
    fn new(tree: &Tree, path: &[u8], whole: &[u8]) -> Self {
        let mut walk = Self {
            stack: vec![tree.root()],
            rest: Vec::new(),
            links: 0,
            whole: whole.to_vec(),
        };
        walk.push(path);
        walk
    }

    fn push(&mut self, path: &[u8]) {
        let names = path
            .split(|b| *b == b'/')
            .filter(|name| !matches!(*name, b"" | b"."));
        let at = self.rest.len();
        self.rest.extend(names.map(Box::from));
        self.rest[at..].reverse();
    }

    fn enter(&mut self, id: NodeId) -> Result<(), LayerError> {
        self.stack.push(id);
        if self.stack.len() > MAX_DEPTH {
            return Err(LayerError::Limit {
                what: "the depth of directories",
                limit: MAX_DEPTH as u64,
                path: String::from_utf8_lossy(&self.whole).into_owned(),
            });
        }
        Ok(())
    }

    /// Walks until the end of the path, or to the first name that is not there.
    fn step(&mut self, tree: &Tree) -> Result<Step, LayerError> {
        loop {
            let here = self.stack.last().copied().unwrap_or(ROOT);
            let Some(name) = self.rest.pop() else {
                return Ok(Step::At(here));
            };
            if *name == *b".." {
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
                continue;
            }
            let Some(id) = tree.child(here, &name) else {
                return Ok(Step::Missing { parent: here, name });
            };
            match tree.node(id) {
                Node::Directory { .. } => self.enter(id)?,
                Node::Leaf {
                    content: Content::Symlink(target),
                    ..
                } => {
                    self.links += 1;
                    if self.links > MAX_SYMLINKS {
                        return Err(path_error(
                            &self.whole,
                            "too many symbolic links on the way",
                        ));
                    }
                    if target.starts_with(b"/") {
                        self.stack.truncate(1);
                    }
                    let target = target.clone();
                    self.push(&target);
                }
                Node::Leaf { .. } => {
                    return Err(path_error(
                        &self.whole,
                        "a part of its path is not a directory",
                    ));
                }
            }
        }
    }
}

fn path_error(path: &[u8], why: &'static str) -> LayerError {
    LayerError::Path {
        path: String::from_utf8_lossy(path).into_owned(),
        why,
    }
}

/// Parent and last name of a normalised path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Whether it is a whiteout as overlayfs has them: the character device 0:0, which is nothing else anywhere.
/// Docker and podman, with their usual storage, hand it to the kernel, and so hide what is below.
fn is_overlay_whiteout(entry: &LayerEntry) -> bool {
    entry.what == What::Leaf(Content::Character(0))
}

/// Parent and name of a path that is a whiteout.
fn whiteout(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let (parent, name) = split(path);
    name.starts_with(WHITEOUT).then_some((parent, name))
}
