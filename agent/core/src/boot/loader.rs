//! A model of systemd-boot's choice, for planning, tests and machines without firmware.

use super::EntryFile;

/// What the boot loader does at one boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The entry that it starts, as it lay there before the boot.
    pub entry: EntryFile,
    /// The new name of that file, where a try was counted.
    pub rename: Option<String>,
}

/// The entry that systemd-boot starts by itself; none where there is none to start.
pub fn choose(files: &[EntryFile]) -> Option<Choice> {
    let _ = files;
    None
}
