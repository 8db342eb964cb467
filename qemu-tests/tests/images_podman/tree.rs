//! What a file tree is, entry by entry, and in what two trees differ.

use orlop_config::Digest;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Permission, setuid, setgid and sticky bits.
const MODE_BITS: u32 = 0o7777;
/// More than the names of all extended attributes of a file, and than a value, take here.
const XATTR_BYTES: usize = 64 << 10;

/// Every entry of a tree, by path; the root is the empty path.
pub(crate) struct Tree {
    dir: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    texts: BTreeMap<PathBuf, Vec<u8>>,
}

/// What an entry is: property to value.
type Entry = BTreeMap<String, String>;

impl Tree {
    pub(crate) fn read(dir: &Path) -> Self {
        let mut tree = Self {
            dir: dir.to_owned(),
            entries: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let mut first_names = BTreeMap::new();
        let mut todo = vec![PathBuf::new()];
        while let Some(path) = todo.pop() {
            let full = dir.join(&path);
            let meta = fs::symlink_metadata(&full).unwrap();
            if meta.is_dir() {
                let mut names: Vec<_> = fs::read_dir(&full)
                    .unwrap()
                    .map(|entry| path.join(entry.unwrap().file_name()))
                    .collect();
                // In one order, so that a group of hard links has the same first name in every tree.
                names.sort();
                todo.extend(names.into_iter().rev());
            }
            let mut entry = tree.entry(&path, &full, &meta);
            if !meta.is_dir() {
                let twin = first_names
                    .entry((meta.dev(), meta.ino()))
                    .or_insert_with(|| path.clone());
                let links = format!("{} of {}", meta.nlink(), twin.display());
                entry.insert("hard links".to_owned(), links);
            }
            tree.entries.insert(path, entry);
        }
        tree
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The text of a file that was read.
    pub(crate) fn read_text(&self, path: &str) -> &str {
        let text = self.texts.get(Path::new(path)).unwrap_or_else(|| {
            panic!("{} has no small file {path}", self.dir.display());
        });
        std::str::from_utf8(text).unwrap()
    }

    fn entry(&mut self, path: &Path, full: &Path, meta: &Metadata) -> Entry {
        let kind = meta.file_type();
        let mut entry = Entry::new();
        let mut set = |property: &str, value: String| {
            entry.insert(property.to_owned(), value);
        };
        let name = if kind.is_dir() {
            "directory"
        } else if kind.is_file() {
            let data = fs::read(full).unwrap();
            set("content", Digest::of(&data).to_string());
            set("size", meta.size().to_string());
            if data.len() < 100 {
                self.texts.insert(path.to_owned(), data);
            }
            "file"
        } else if kind.is_symlink() {
            let target = fs::read_link(full).unwrap();
            set("target", format!("{target:?}"));
            "symbolic link"
        } else if kind.is_fifo() {
            "pipe"
        } else if kind.is_socket() {
            "socket"
        } else {
            set("device", meta.rdev().to_string());
            if kind.is_char_device() {
                "character device"
            } else {
                "block device"
            }
        };
        set("type", name.to_owned());
        set("mode", format!("{:04o}", meta.mode() & MODE_BITS));
        set("owner", format!("{}:{}", meta.uid(), meta.gid()));
        set("time", meta.mtime().to_string());
        for (name, value) in xattrs(full) {
            set(&format!("attribute {name}"), value);
        }
        entry
    }
}

fn xattrs(path: &Path) -> Vec<(String, String)> {
    let mut names = vec![0; XATTR_BYTES];
    let len = rustix::fs::llistxattr(path, &mut names).unwrap();
    names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let name = std::str::from_utf8(name).unwrap();
            let mut value = vec![0; XATTR_BYTES];
            let len = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            (name.to_owned(), hex::encode(&value[..len]))
        })
        .collect()
}

/// What differs, as `path: property`, sorted. A whole entry that one of them lacks is named as such.
/// What the values were goes to stderr, for whoever has to find out why.
pub(crate) fn differences(ours: &Tree, theirs: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let paths = ours.entries.keys().chain(theirs.entries.keys());
    let paths: std::collections::BTreeSet<_> = paths.collect();
    for path in paths {
        let name = path.display();
        let (Some(our), Some(their)) = (ours.entries.get(path), theirs.entries.get(path)) else {
            let who = if ours.entries.contains_key(path) {
                "ours alone"
            } else {
                "theirs alone"
            };
            found.push(format!("{name}: {who}"));
            continue;
        };
        let properties: std::collections::BTreeSet<_> = our.keys().chain(their.keys()).collect();
        for property in properties {
            let (one, other) = (our.get(property), their.get(property));
            if one != other {
                eprintln!("{name}: {property} is {one:?} and {other:?}");
                found.push(format!("{name}: {property}"));
            }
        }
    }
    found.sort();
    found
}
