//! Boot entries: their file names with boot counters, and their content.
//!
//! Format: Boot Loader Specification, type #1, with the boot counting suffix of
//! "Automatic Boot Assessment" (`+LEFT` or `+LEFT-DONE` before `.conf`).

use crate::paths;
use orlop_config::RootDigest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The number of a boot entry: counted up each time that one is armed, so the highest one is the
/// newest whatever the versions of the OS images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootSequence(pub u64);

impl BootSequence {
    /// The next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number that follows every entry among `files`; 1 where there is none.
    pub fn after(files: &[EntryFile]) -> Self {
        let newest = files
            .iter()
            .filter_map(|file| file.name.parse::<EntryName>().ok())
            .map(|name| name.sequence)
            .max();
        newest.map_or(Self(1), Self::next)
    }
}

impl fmt::Display for BootSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The boot counter in a file name. An entry without one is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Tries left; at 0 the boot loader takes any other entry first.
    pub left: u32,
    /// Tries done.
    pub done: u32,
}

impl Counter {
    /// A counter that nothing has touched.
    pub fn full(tries: u32) -> Self {
        Self {
            left: tries,
            done: 0,
        }
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.left)?;
        if self.done > 0 {
            write!(f, "-{}", self.done)
        } else {
            Ok(())
        }
    }
}

/// The name of one of our boot entries: `orlop-<n>[+left[-done]].conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryName {
    /// Its number.
    pub sequence: BootSequence,
    /// Its counter; none once it is good.
    pub counter: Option<Counter>,
}

/// A file name that is not one of our boot entries'. The agent leaves such a file alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {name:?} as a boot entry of Orlop: expected `orlop-<n>[+left[-done]].conf`")]
pub struct ForeignEntry {
    /// The name.
    pub name: String,
}

const PREFIX: &str = "orlop-";
const SUFFIX: &str = ".conf";
/// The longest number that is read, in digits: no `u64` has more.
const MAX_DIGITS: usize = 20;

fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn counter(text: &str) -> Option<Counter> {
    match text.split_once('-') {
        Some((left, done)) => Some(Counter {
            left: number(left)?,
            done: number(done)?,
        }),
        None => Some(Counter {
            left: number(text)?,
            done: 0,
        }),
    }
}

impl FromStr for EntryName {
    type Err = ForeignEntry;

    fn from_str(name: &str) -> Result<Self, ForeignEntry> {
        let parsed = || {
            let stem = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            let (sequence, counter) = match stem.split_once('+') {
                Some((sequence, rest)) => (sequence, Some(counter(rest)?)),
                None => (stem, None),
            };
            Some(Self {
                sequence: BootSequence(number(sequence)?),
                counter,
            })
        };
        parsed().ok_or_else(|| ForeignEntry {
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&paths::entry_stem(self.sequence))?;
        if let Some(counter) = self.counter {
            counter.fmt(f)?;
        }
        f.write_str(SUFFIX)
    }
}

/// A file in the directory of boot entries, as it is found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFile {
    /// Its name without directory.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// What one of our boot entries says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For people at the console: `Orlop 2`.
    pub title: String,
    /// Its number; the `version` that the boot loader sorts by.
    pub sequence: BootSequence,
    /// The OS image whose UKI it starts.
    pub root: RootDigest,
}

impl Entry {
    /// The entry of an OS image that calls itself `os_version`.
    pub fn new(os_version: &str, sequence: BootSequence, root: RootDigest) -> Self {
        let title = format!("Orlop {}", os_version.replace(char::is_control, " "));
        Self {
            title: title.trim_end().to_owned(),
            sequence,
            root,
        }
    }

    /// Reads an entry as the boot loader does: keys that it does not know are passed over, as are
    /// comments, and the last of a key's values counts. None where it does not start one of our
    /// UKIs.
    pub fn read(content: &str) -> Option<Self> {
        let value = |key| entry_value(content, key);
        let root = value("efi")?
            .strip_prefix("/EFI/orlop/")?
            .strip_suffix(".efi")?;
        Some(Self {
            title: value("title").unwrap_or_default().to_owned(),
            sequence: BootSequence(number(value("version")?)?),
            root: root.parse().ok()?,
        })
    }

    /// The entry's content, the same to the byte for the same entry.
    pub fn content(&self) -> String {
        format!(
            "title {}\nsort-key orlop\nversion {}\nefi {}\n",
            self.title,
            self.sequence,
            paths::uki_on_esp(&self.root)
        )
    }

    /// The entry as a file.
    pub fn file(&self, counter: Option<Counter>) -> EntryFile {
        let name = EntryName {
            sequence: self.sequence,
            counter,
        };
        EntryFile {
            name: name.to_string(),
            content: self.content(),
        }
    }
}

/// The last value of `key` in a boot entry.
pub(super) fn entry_value<'a>(content: &'a str, key: &str) -> Option<&'a str> {
    content
        .lines()
        .map(|line| line.trim_matches([' ', '\t', '\r']))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once([' ', '\t']))
        .filter(|(found, _)| *found == key)
        .map(|(_, value)| value.trim_matches([' ', '\t']))
        .filter(|value| !value.is_empty())
        .next_back()
}
