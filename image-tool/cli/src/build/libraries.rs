//! Shared libraries: which ones the image's programs link to, directly or through others.

use super::tree::{Kind, Tree};
use object::LittleEndian as LE;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _};
use std::collections::BTreeSet;
use std::io;

/// What an ELF file begins with.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Longest chain of links from a library's name to its file.
const LINK_LIMIT: usize = 8;

/// Libraries that cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("cannot read the libraries that {path} links to")]
    Elf {
        path: String,
        source: object::read::Error,
    },
    #[error("cannot find the library {library} that {path} links to in the packages")]
    Missing { library: String, path: String },
}

/// The files and links in `dir` of `base` that programs and libraries in `image` link to and that
/// `image` lacks.
pub(crate) fn needed(
    base: &Tree,
    image: &Tree,
    dir: &str,
) -> Result<BTreeSet<String>, LibraryError> {
    let mut found = BTreeSet::new();
    let mut queue: Vec<(String, Vec<u8>)> = Vec::new();
    for (path, content) in image.files() {
        let bytes = content.read().map_err(|source| LibraryError::Read {
            path: path.to_owned(),
            source,
        })?;
        queue.push((path.to_owned(), bytes));
    }
    let private: Vec<&str> = image
        .files()
        .map(|(path, _)| path.rsplit('/').next().unwrap_or(path))
        .collect();
    let mut new = BTreeSet::new();
    while let Some((path, bytes)) = queue.pop() {
        for library in linked(&path, &bytes)? {
            // Libraries beside their only users, such as systemd's own, are in the image by name.
            if private.contains(&library.as_str()) || !new.insert(library.clone()) {
                continue;
            }
            let file = follow(base, &format!("{dir}/{library}"), &mut found).ok_or_else(|| {
                LibraryError::Missing {
                    library,
                    path: path.clone(),
                }
            })?;
            let bytes = base.read(&file).map_err(|source| LibraryError::Read {
                path: file.clone(),
                source,
            })?;
            queue.push((file, bytes));
        }
    }
    Ok(found)
}

/// Adds the links from `path` to a file, and the file, to `found`; returns the file.
fn follow(base: &Tree, path: &str, found: &mut BTreeSet<String>) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..LINK_LIMIT {
        found.insert(path.clone());
        match &base.get(&path)?.kind {
            Kind::File(_) => return Some(path),
            Kind::Link { target } if !target.contains('/') => {
                path = format!("{}/{target}", path.rsplit_once('/')?.0);
            }
            _ => return None,
        }
    }
    None
}

/// The libraries that an ELF file names; none if it is none.
fn linked(path: &str, bytes: &[u8]) -> Result<Vec<String>, LibraryError> {
    if !bytes.starts_with(ELF_MAGIC) {
        return Ok(Vec::new());
    }
    read_linked(bytes).map_err(|source| LibraryError::Elf {
        path: path.to_owned(),
        source,
    })
}

fn read_linked(bytes: &[u8]) -> object::read::Result<Vec<String>> {
    let header = FileHeader64::<LE>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut names = Vec::new();
    if let Some((entries, strings_at)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, strings_at)?;
        for entry in entries
            .iter()
            .filter(|entry| entry.tag(endian) == DT_NEEDED)
        {
            let name = entry.string(endian, strings)?;
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tree::{Content, Node};
    use std::path::PathBuf;

    const DIR: &str = "usr/lib/x86_64-linux-gnu";

    /// This test itself is a program that links to the C library of the machine.
    fn this_program() -> Content {
        Content::File(std::env::current_exe().unwrap())
    }

    #[test]
    fn the_libraries_of_a_program_come_with_links_and_their_own_libraries() {
        let mut image = Tree::default();
        image.insert("usr/bin/program", Node::file(this_program(), 0o755));
        let mut base = Tree::default();
        for library in linked("this", &this_program().read().unwrap()).unwrap() {
            let content = Content::File(PathBuf::from("/lib/x86_64-linux-gnu").join(&library));
            base.insert(&format!("{DIR}/{library}.real"), Node::file(content, 0o644));
            base.insert(
                &format!("{DIR}/{library}"),
                Node::link(&format!("{library}.real")),
            );
        }
        // The C library itself needs the loader.
        let loader = Content::File("/lib64/ld-linux-x86-64.so.2".into());
        base.insert(
            &format!("{DIR}/ld-linux-x86-64.so.2"),
            Node::file(loader, 0o755),
        );
        let found = needed(&base, &image, DIR).unwrap();
        for name in ["libc.so.6", "libc.so.6.real", "ld-linux-x86-64.so.2"] {
            assert!(
                found.contains(&format!("{DIR}/{name}")),
                "{name} in {found:?}"
            );
        }
    }

    #[test]
    fn a_library_that_the_packages_lack_is_named_with_its_user() {
        let mut image = Tree::default();
        image.insert("usr/bin/program", Node::file(this_program(), 0o755));
        let error = needed(&Tree::default(), &image, DIR)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot find the library "), "{error}");
        assert!(
            error.ends_with(" that usr/bin/program links to in the packages"),
            "{error}"
        );
    }
}
