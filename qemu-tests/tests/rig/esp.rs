//! The ESP of a raw disk, as mtools find it from outside of the machine.

use orlop_core::boot::{EntryFile, loader};
use orlop_image::uki;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where `orlop-image disk` puts the ESP, in bytes.
const OFFSET: u64 = 1 << 20;
/// The folder of boot entries.
const ENTRIES: &str = "loader/entries";

/// An ESP inside a disk image.
pub(crate) struct Esp {
    disk: PathBuf,
}

impl Esp {
    pub(crate) fn of(disk: &Path) -> Self {
        Self {
            disk: disk.to_owned(),
        }
    }

    /// The names in a folder.
    pub(crate) fn names(&self, folder: &str) -> BTreeSet<String> {
        let listing = text(self.mtool("mdir", &["-b".as_ref(), format!("::/{folder}").as_ref()]));
        let name = |line: &str| Some(line.trim_end().rsplit_once('/')?.1.to_owned());
        listing
            .lines()
            .filter_map(name)
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// The boot entries, sorted by name; files of other names may come and go meanwhile.
    pub(crate) fn entries(&self) -> Vec<EntryFile> {
        let read = |name: &String| EntryFile {
            name: name.clone(),
            content: String::from_utf8(self.read(&format!("{ENTRIES}/{name}"))).unwrap(),
        };
        let names = self.names(ENTRIES);
        let entries = names.iter().filter(|name| name.ends_with(".conf"));
        entries.map(read).collect()
    }

    /// Names of the boot entries.
    pub(crate) fn entry_names(&self) -> BTreeSet<String> {
        self.names(ENTRIES)
    }

    /// What is in a file.
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let output = self.mtool("mtype", &[format!("::/{path}").as_ref()]);
        assert!(output.status.success(), "{path}: {output:?}");
        output.stdout
    }

    /// Size of a UKI, which has to be one.
    pub(crate) fn uki_bytes(&self, name: &str) -> u64 {
        let bytes = self.read(&format!("EFI/orlop/{name}"));
        assert_eq!(format!("{}.efi", uki::root_digest(&bytes).unwrap()), name);
        u64::try_from(bytes.len()).unwrap()
    }

    /// Bytes that are free, by the file system's own count.
    pub(crate) fn free(&self) -> u64 {
        let listing = text(self.mtool("mdir", &["::/".as_ref()]));
        let line = listing.lines().find(|line| line.contains("bytes free"));
        let digits = line.unwrap().chars().filter(char::is_ascii_digit);
        digits.collect::<String>().parse().unwrap()
    }

    /// Copies a file of the host to the ESP's root.
    pub(crate) fn put(&self, file: &Path) {
        text(self.mtool("mcopy", &[file, "::/".as_ref()]));
    }

    /// Puts `new` in the place of `old`, a text that is as long, in a file.
    pub(crate) fn change_text(&self, path: &str, old: &str, new: &str) {
        assert_eq!(old.len(), new.len());
        let mut bytes = self.read(path);
        let found = bytes
            .windows(old.len())
            .position(|window| window == old.as_bytes());
        let at = found.unwrap_or_else(|| panic!("{path} does not have {old}"));
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
        let changed = self.disk.with_file_name("changed");
        fs::write(&changed, bytes).unwrap();
        let target = format!("::/{path}");
        let arguments = ["-o".as_ref(), changed.as_path(), target.as_ref()];
        text(self.mtool("mcopy", &arguments));
        fs::remove_file(changed).unwrap();
    }

    fn mtool(&self, program: &str, arguments: &[&Path]) -> Output {
        let image = format!("{}@@{OFFSET}", self.disk.display());
        let mut command = Command::new(program);
        command.args(["-i", &image]).args(arguments);
        let output = command.output();
        output
            .unwrap_or_else(|error| panic!("cannot run {program} (Debian package mtools): {error}"))
    }
}

/// The entry that systemd-boot has to start with these files, and their names after that.
pub(crate) fn next_boot(entries: &[EntryFile]) -> (String, Vec<EntryFile>) {
    let choice = loader::choose(entries, |_| true).unwrap();
    let mut after = entries.to_vec();
    if let Some(renamed) = choice.rename {
        let chosen = after.iter_mut().find(|file| file.name == choice.entry.name);
        chosen.unwrap().name = renamed;
    }
    after.sort_by(|a, b| a.name.cmp(&b.name));
    (choice.entry.name, after)
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
