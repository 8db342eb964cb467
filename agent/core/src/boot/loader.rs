//! A model of systemd-boot's choice, for planning, tests and machines without firmware.
//!
//! It follows `src/boot/boot.c` of systemd 257: `config_load_type1_entries()` and
//! `boot_entry_add_type1()` (which files are entries), `boot_entry_parse_tries()` (counters),
//! `boot_entry_compare()` (order), `config_select_default_entry()` (the first of that order, as
//! nothing else is set on our nodes) and `boot_entry_bump_counters()` (the rename). What it leaves
//! out is what our ESPs do not have: UKIs in `EFI/Linux`, an entry set by `bootctl set-default` or
//! `set-oneshot`, and a person at the menu.

use super::EntryFile;
use super::entry::entry_value;
use super::version::compare_versions;
use std::cmp::Ordering;

/// What the boot loader does at one boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The entry that it starts, as it lay there before the boot.
    pub entry: EntryFile,
    /// The new name of that file, where a try was counted.
    pub rename: Option<String>,
}

/// The largest counter that is read as one.
const COUNTER_MAX: u64 = i32::MAX as u64;

/// An entry as the boot loader holds it.
struct Loaded<'a> {
    file: &'a EntryFile,
    id: String,
    sort_key: Option<&'a str>,
    machine_id: &'a str,
    version: &'a str,
    counter: Option<Counted<'a>>,
}

/// A boot counter in a file name.
#[derive(Clone, Copy)]
struct Counted<'a> {
    /// The name up to and with the `+`.
    prefix: &'a str,
    /// The name after the counter: `.conf`.
    suffix: &'a str,
    left: u64,
    done: u64,
}

/// The entry that systemd-boot starts by itself; none where there is none to start. `exists` says
/// whether the ESP has the file at this path (from its root, with `/`): an entry whose EFI program
/// is missing is none.
pub fn choose(files: &[EntryFile], exists: impl Fn(&str) -> bool) -> Option<Choice> {
    let mut loaded: Vec<_> = files
        .iter()
        .filter_map(|file| load(file, &exists))
        .collect();
    loaded.sort_by(compare);
    let first = loaded.first()?;
    Some(Choice {
        entry: first.file.clone(),
        rename: first.counter.map(|counter| counter.bumped()),
    })
}

fn load<'a>(file: &'a EntryFile, exists: impl Fn(&str) -> bool) -> Option<Loaded<'a>> {
    let name = &file.name;
    let lower = name.to_ascii_lowercase();
    if name.starts_with('.') || name.starts_with("auto-") || !lower.ends_with(".conf") {
        return None;
    }
    let value = |key| entry_value(&file.content, key);
    // An entry may have several; the last one counts. We never write more than one.
    let program = value("efi").or_else(|| value("linux"))?;
    exists(program).then(|| Loaded {
        file,
        id: lower,
        sort_key: value("sort-key"),
        machine_id: value("machine-id").unwrap_or_default(),
        version: value("version").unwrap_or_default(),
        counter: Counted::read(name),
    })
}

impl<'a> Counted<'a> {
    fn read(name: &'a str) -> Option<Self> {
        let (prefix, rest) = name.split_at(name.rfind('+')? + 1);
        let (left, rest) = number(rest)?;
        let (done, suffix) = match rest.strip_prefix('-') {
            Some(rest) => number(rest)?,
            None => (0, rest),
        };
        (suffix == ".conf").then_some(Self {
            prefix,
            suffix,
            left,
            done,
        })
    }

    /// The name after one more try.
    fn bumped(self) -> String {
        let (left, done) = (
            self.left.saturating_sub(1),
            (self.done + 1).min(COUNTER_MAX),
        );
        format!("{}{left}-{done}{}", self.prefix, self.suffix)
    }
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end]
        .parse()
        .ok()
        .filter(|number| *number <= COUNTER_MAX)?;
    Some((number, &text[end..]))
}

/// `boot_entry_compare()`: what is started first is the least.
fn compare(a: &Loaded<'_>, b: &Loaded<'_>) -> Ordering {
    let spent = |entry: &Loaded<'_>| entry.counter.is_some_and(|counter| counter.left == 0);
    spent(a)
        .cmp(&spent(b))
        .then_with(|| a.sort_key.is_none().cmp(&b.sort_key.is_none()))
        .then_with(|| match (a.sort_key, b.sort_key) {
            (Some(x), Some(y)) => x
                .cmp(y)
                .then_with(|| a.machine_id.cmp(b.machine_id))
                .then_with(|| compare_versions(b.version, a.version)),
            (None, _) | (_, None) => Ordering::Equal,
        })
        .then_with(|| compare_versions(&b.id, &a.id))
        .then_with(|| match (a.counter, b.counter) {
            (Some(x), Some(y)) => y.left.cmp(&x.left).then_with(|| x.done.cmp(&y.done)),
            (None, _) | (_, None) => Ordering::Equal,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, version: u32) -> EntryFile {
        let content = format!("sort-key orlop\nversion {version}\nefi /{version}.efi\n");
        EntryFile {
            name: name.to_owned(),
            content,
        }
    }

    fn chosen(files: &[EntryFile]) -> (String, Option<String>) {
        let choice = choose(files, |_| true).unwrap();
        (choice.entry.name, choice.rename)
    }

    #[test]
    fn the_newest_armed_entry_is_tried_until_its_tries_are_used_up() {
        let good = entry("orlop-9.conf", 9);
        let mut name = "orlop-10+3.conf".to_owned();
        for next in [
            "orlop-10+2-1.conf",
            "orlop-10+1-2.conf",
            "orlop-10+0-3.conf",
        ] {
            let files = [good.clone(), entry(&name, 10)];
            assert_eq!(chosen(&files), (name.clone(), Some(next.to_owned())));
            name = next.to_owned();
        }
        assert_eq!(
            chosen(&[good, entry(&name, 10)]),
            ("orlop-9.conf".to_owned(), None)
        );
    }

    #[test]
    fn the_newest_good_entry_wins_by_number_not_by_text() {
        let files = [
            entry("orlop-9.conf", 9),
            entry("orlop-10.conf", 10),
            entry("orlop-2.conf", 2),
        ];
        assert_eq!(chosen(&files).0, "orlop-10.conf");
    }

    #[test]
    fn an_entry_whose_program_is_missing_is_none() {
        let files = [entry("orlop-1.conf", 1), entry("orlop-2+3.conf", 2)];
        let choice = choose(&files, |path| path == "/1.efi").unwrap();
        assert_eq!(choice.entry.name, "orlop-1.conf");
    }

    #[test]
    fn a_spent_entry_still_boots_where_there_is_no_other() {
        let (name, rename) = chosen(&[entry("orlop-2+0-3.conf", 2)]);
        assert_eq!(
            (name.as_str(), rename.as_deref()),
            ("orlop-2+0-3.conf", Some("orlop-2+0-4.conf"))
        );
    }

    #[test]
    fn temporary_and_hidden_files_are_no_entries() {
        for name in [
            "orlop-2.conf.orlop-tmp",
            ".orlop-2.conf",
            "auto-windows.conf",
            "orlop-2",
        ] {
            assert_eq!(choose(&[entry(name, 2)], |_| true), None, "{name}");
        }
    }

    #[test]
    fn what_looks_like_a_counter_in_the_middle_is_none() {
        assert_eq!(
            chosen(&[entry("a+3b.conf", 1)]),
            ("a+3b.conf".to_owned(), None)
        );
        assert_eq!(
            chosen(&[entry("a+1+2.conf", 1)]).1.as_deref(),
            Some("a+1+1-1.conf")
        );
    }

    #[test]
    fn entries_without_a_sort_key_come_last() {
        let old = EntryFile {
            name: "z.conf".to_owned(),
            content: "efi /z.efi\n".to_owned(),
        };
        assert_eq!(chosen(&[old, entry("orlop-1.conf", 1)]).0, "orlop-1.conf");
    }
}
