//! Which packages an image is made of: those of the base that have a file in it.

use super::tree::{Kind, Tree};
use orlop_image::Package;
use std::collections::BTreeSet;
use std::io;

/// dpkg's record of what is installed (dpkg(1), "FILES"): stanzas of fields, parted by empty lines.
const STATUS: &str = "var/lib/dpkg/status";
/// Directory of the lists of each package's files.
const LISTS: &str = "var/lib/dpkg/info";
/// Packages that are in the image though no file of theirs is: their kernel is part of the UKI.
const KERNEL_PREFIX: &str = "linux-image-";
/// Top directories that are links into `usr`; packages may own files by the old names.
const MERGED: [&str; 4] = ["bin/", "sbin/", "lib/", "lib64/"];

/// A list that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackagesError {
    #[error("cannot read {path} of the base")]
    Read { path: String, source: io::Error },
    #[error("cannot read {STATUS} of the base: a package has no {field}")]
    NoField { field: &'static str },
}

/// The packages of `base` that `image` has a file of, and the kernel's.
pub(crate) fn list(base: &Tree, image: &Tree) -> Result<Vec<Package>, PackagesError> {
    let status = read(base, STATUS)?;
    let mut packages = Vec::new();
    for stanza in status.split("\n\n").filter(|text| !text.trim().is_empty()) {
        let field = |field: &'static str| {
            let found = stanza
                .lines()
                .find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
            found.ok_or(PackagesError::NoField { field })
        };
        if !field("Status")?.ends_with(" installed") {
            continue;
        }
        let (name, version) = (field("Package")?, field("Version")?);
        let is_kernel = name.starts_with(KERNEL_PREFIX);
        if is_kernel || has_file_of(base, image, name, field("Architecture")?)? {
            packages.push(Package {
                name: name.to_owned(),
                version: version.to_owned(),
            });
        }
    }
    Ok(packages)
}

fn read(base: &Tree, path: &str) -> Result<String, PackagesError> {
    let bytes = base.read(path).map_err(|source| PackagesError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the image has a file or link that the package owns; directories have many owners.
fn has_file_of(
    base: &Tree,
    image: &Tree,
    name: &str,
    architecture: &str,
) -> Result<bool, PackagesError> {
    let lists = [
        format!("{LISTS}/{name}.list"),
        format!("{LISTS}/{name}:{architecture}.list"),
    ];
    let Some(list) = lists.iter().find(|list| base.get(list).is_some()) else {
        return Ok(false);
    };
    let text = read(base, list)?;
    let paths: BTreeSet<String> = text.lines().map(place).collect();
    Ok(paths.iter().any(|path| {
        image
            .get(path)
            .is_some_and(|node| !matches!(node.kind, Kind::Dir))
    }))
}

/// A path of a package's list as the image has it.
fn place(line: &str) -> String {
    let path = line.trim_start_matches('/');
    match MERGED.iter().any(|top| path.starts_with(top)) {
        true => format!("usr/{path}"),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Content, Node};
    use super::*;

    fn file(text: &str) -> Node {
        Node::file(Content::Bytes(text.as_bytes().to_vec()), 0o644)
    }

    #[test]
    fn packages_with_a_file_in_the_image_are_listed_and_the_kernel() {
        let stanza = |name: &str, status: &str| {
            format!("Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: 1:{name}\n")
        };
        let status = [
            stanza("kept", "install ok installed"),
            stanza("merged", "install ok installed"),
            stanza("stripped", "install ok installed"),
            stanza("removed", "deinstall ok config-files"),
            stanza("linux-image-6.12", "install ok installed"),
        ];
        let mut base = Tree::default();
        base.insert(STATUS, file(&status.join("\n")));
        for (list, text) in [
            ("kept:amd64", "/.\n/usr\n/usr/bin/kept\n"),
            ("merged", "/lib/merged.so\n"),
            ("stripped", "/usr\n/usr/share/doc/stripped\n"),
            ("removed", "/usr/bin/kept\n"),
        ] {
            base.insert(&format!("{LISTS}/{list}.list"), file(text));
        }
        let mut image = Tree::default();
        image.insert("usr/bin/kept", file(""));
        image.insert("usr/lib/merged.so", file(""));
        let found = list(&base, &image).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("kept", "1:kept"),
                ("merged", "1:merged"),
                ("linux-image-6.12", "1:linux-image-6.12")
            ]
        );
    }
}
