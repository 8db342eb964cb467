//! What two generations differ in. Who calls has read what the images and TOMLs hold.

use crate::Generation;
use orlop_api::{
    Change, ContainerDiff, Diff, FileChange, FileChanges, KeyChange, OsDiff, PackageChange,
};
use std::collections::{BTreeMap, BTreeSet};

/// One of the two generations, and what is known of what it names.
#[derive(Clone, Copy, Debug)]
pub struct DiffSide<'a, F> {
    /// The generation.
    pub generation: &'a Generation,
    /// Its TOML; none where that cannot be read.
    pub config: Option<&'a str>,
    /// The packages of its OS image with their versions; none where it has no list.
    pub packages: Option<&'a BTreeMap<String, String>>,
    /// What each path of its OS image is; none where the image is not in the store.
    pub files: Option<&'a BTreeMap<String, F>>,
}

/// Whether every file is named, or only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileDetail {
    /// How many.
    Counted,
    /// Which.
    Named,
}

/// What `from` and `to` differ in.
pub fn diff<F: PartialEq>(from: DiffSide<'_, F>, to: DiffSide<'_, F>, detail: FileDetail) -> Diff {
    let (old, new) = (from.generation, to.generation);
    let os = (old.os != new.os).then(|| OsDiff {
        from: (&old.os).into(),
        to: (&new.os).into(),
        kernel: old.os.boot != new.os.boot,
        packages: both(from.packages, to.packages).map(|(old, new)| packages(old, new)),
        files: both(from.files, to.files).map(|(old, new)| files(old, new, detail)),
    });
    let config = both(from.config, to.config).map(|(old, new)| {
        let keys = orlop_config::changed_keys(old, new).into_iter();
        keys.map(|change| KeyChange {
            key: change.key,
            from: change.old,
            to: change.new,
        })
        .collect()
    });
    let names: BTreeSet<_> = old.containers.keys().chain(new.containers.keys()).collect();
    let containers = names
        .into_iter()
        .map(|name| (name, old.containers.get(name), new.containers.get(name)))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| ContainerDiff {
            name: name.clone(),
            from: old.map(Into::into),
            to: new.map(Into::into),
        });
    Diff {
        from: old.id.0,
        to: new.id.0,
        os,
        config: config.unwrap_or_default(),
        config_differs: old.config != new.config,
        containers: containers.collect(),
    }
}

fn both<T>(a: Option<T>, b: Option<T>) -> Option<(T, T)> {
    a.zip(b)
}

fn packages(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<PackageChange> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| PackageChange {
            name: name.clone(),
            from: old.get(name).cloned(),
            to: new.get(name).cloned(),
        })
        .collect()
}

fn files<F: PartialEq>(
    old: &BTreeMap<String, F>,
    new: &BTreeMap<String, F>,
    detail: FileDetail,
) -> FileChanges {
    let mut found = FileChanges::default();
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (count, change) = match (old.get(path), new.get(path)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => (&mut found.changed, Change::Changed),
            (None, _) => (&mut found.added, Change::Added),
            (_, None) => (&mut found.removed, Change::Removed),
        };
        *count += 1;
        if detail == FileDetail::Named {
            found.list.push(FileChange {
                path: path.clone(),
                change,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerImage, sample};
    use orlop_config::Digest;

    fn map<V: Clone>(entries: &[(&str, V)]) -> BTreeMap<String, V> {
        let entries = entries.iter();
        entries
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    fn side(generation: &Generation) -> DiffSide<'_, u8> {
        DiffSide {
            generation,
            config: None,
            packages: None,
            files: None,
        }
    }

    #[test]
    fn every_part_that_differs_is_listed_and_nothing_else() {
        let (old, mut new) = (sample::generation(1, "1"), sample::generation(2, "2"));
        new.os.boot = old.os.boot.clone();
        new.config = Digest::of(b"other");
        let db = ContainerImage {
            manifest: Digest::of(b"db"),
            ..new.containers["web"].clone()
        };
        new.containers.insert("db".to_owned(), db);
        let text = |version: &str| version.to_owned();
        let (p1, p2) = (
            map(&[
                ("crun", text("1.21")),
                ("gone", text("1")),
                ("same", text("3")),
            ]),
            map(&[
                ("crun", text("1.22")),
                ("new", text("2")),
                ("same", text("3")),
            ]),
        );
        let (f1, f2) = (
            map(&[("/a", 1), ("/b", 1), ("/c", 1)]),
            map(&[("/b", 2), ("/c", 1), ("/d", 1), ("/e", 1)]),
        );
        let from = DiffSide {
            config: Some("schema = 1\nhost.name = \"a\""),
            packages: Some(&p1),
            files: Some(&f1),
            ..side(&old)
        };
        let to = DiffSide {
            config: Some("schema = 1\nhost.name = \"b\""),
            packages: Some(&p2),
            files: Some(&f2),
            ..side(&new)
        };
        insta::assert_json_snapshot!(diff(from, to, FileDetail::Named));
        let counted = diff(from, to, FileDetail::Counted)
            .os
            .unwrap()
            .files
            .unwrap();
        assert_eq!(
            (
                counted.added,
                counted.removed,
                counted.changed,
                counted.list
            ),
            (2, 1, 1, vec![])
        );
    }

    #[test]
    fn a_generation_does_not_differ_from_itself() {
        let one = sample::generation(1, "1");
        let found = diff(side(&one), side(&one), FileDetail::Named);
        let nothing = Diff {
            from: 1,
            to: 1,
            ..Diff::default()
        };
        assert_eq!(found, nothing);
    }

    #[test]
    fn what_could_not_be_read_is_told_apart_from_no_difference() {
        let (old, new) = (sample::generation(1, "1"), sample::generation(2, "2"));
        let os = diff(side(&old), side(&new), FileDetail::Named).os.unwrap();
        assert_eq!((os.kernel, os.packages, os.files), (true, None, None));
    }
}
