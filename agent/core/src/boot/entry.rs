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
        .map(|value| {
            value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(value)
        })
        .rfind(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> RootDigest {
        "ab".repeat(32).parse().unwrap()
    }

    #[test]
    fn names_are_read_back_as_written() {
        let sequence = BootSequence(7);
        for (counter, text) in [
            (None, "orlop-7.conf"),
            (Some(Counter::full(3)), "orlop-7+3.conf"),
            (Some(Counter { left: 2, done: 1 }), "orlop-7+2-1.conf"),
            (Some(Counter { left: 0, done: 3 }), "orlop-7+0-3.conf"),
        ] {
            let name = EntryName { sequence, counter };
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
    }

    #[test]
    fn foreign_names_are_left_alone() {
        for name in [
            "orlop-.conf",
            "orlop-x.conf",
            "orlop-1",
            "orlop-1+.conf",
            "orlop-1+3-.conf",
            "orlop-1+a.conf",
            "orlop--1.conf",
            "orlop-1+-1.conf",
            "debian.conf",
            "orlop-99999999999999999999.conf",
            "orlop-1+4294967296.conf",
            "orlop-+3.conf",
        ] {
            assert!(name.parse::<EntryName>().is_err(), "{name}");
        }
    }

    #[test]
    fn an_entry_is_written_to_the_byte() {
        let entry = Entry::new("2", BootSequence(7), root());
        let expected = format!(
            "title Orlop 2\nsort-key orlop\nversion 7\nefi /EFI/orlop/{}.efi\n",
            root()
        );
        assert_eq!(entry.content(), expected);
        assert_eq!(Entry::read(&expected), Some(entry));
    }

    #[test]
    fn the_reader_takes_what_the_boot_loader_takes() {
        let text = format!(
            "# by hand\r\n\tversion\t \"12\"\r\nunknown x\nefi /a.efi\nefi /EFI/orlop/{}.efi  \n",
            root()
        );
        let entry = Entry::read(&text).unwrap();
        assert_eq!(
            (entry.sequence, entry.root, entry.title.as_str()),
            (BootSequence(12), root(), "")
        );
    }

    #[test]
    fn what_starts_no_image_of_ours_is_no_entry() {
        for text in [
            "",
            "version 1\n",
            "version 1\nefi /EFI/BOOT/BOOTX64.EFI\n",
            "\0\0\0",
        ] {
            assert_eq!(Entry::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_version_with_line_breaks_makes_no_second_line() {
        let entry = Entry::new("2\nefi /x", BootSequence(7), root());
        assert_eq!(Entry::read(&entry.content()), Some(entry));
    }

    #[test]
    fn the_next_number_follows_all_that_are_there() {
        let file = |name: &str| EntryFile {
            name: name.to_owned(),
            content: String::new(),
        };
        assert_eq!(BootSequence::after(&[]), BootSequence(1));
        let files = [
            file("orlop-9+0-3.conf"),
            file("orlop-4.conf"),
            file("other-77.conf"),
        ];
        assert_eq!(BootSequence::after(&files), BootSequence(10));
    }
}
