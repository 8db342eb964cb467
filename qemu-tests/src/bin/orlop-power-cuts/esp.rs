//! What is on the ESP of a cut disk.

use crate::disk::Disk;
use crate::fat::{Fat, FatFile};
use orlop_config::{Digest, RootDigest};
use orlop_core::boot::EntryFile;
use orlop_core::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The folder of boot entries, from the root of the ESP.
const ENTRIES: &str = "loader/entries/";
/// The folder of UKIs.
const UKIS: &str = "EFI/orlop/";
/// What firmware starts.
const BOOT_LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
/// The TOML for the first boot.
pub(crate) const TOML: &str = "orlop/node.toml";
/// The largest entry that the agent reads.
const MAX_ENTRY: u64 = 64 << 10;

/// An ESP, as far as a boot needs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct EspView {
    /// Why nothing of it can be used.
    pub(crate) unusable: Option<String>,
    /// The boot entries.
    pub(crate) entries: Vec<EntryFile>,
    /// Every file, as the boot loader names it.
    names: BTreeSet<String>,
    /// The digest of each file that a boot reads, by its path; or why it has none.
    digests: BTreeMap<String, Result<Digest, String>>,
}

impl EspView {
    /// Reads the ESP in this partition.
    pub(crate) fn read(disk: &Disk, partition: &Range<u64>) -> Self {
        match Fat::read(disk, partition) {
            Ok(fat) => Self::of(disk, &fat),
            Err(error) => Self {
                unusable: Some(error.to_string()),
                ..Self::default()
            },
        }
    }

    fn of(disk: &Disk, fat: &Fat) -> Self {
        let mut view = Self::default();
        for (path, file) in &fat.files {
            // FAT's names are the same in either case, and so the boot loader's.
            view.names.insert(format!("/{path}").to_ascii_lowercase());
            let entry = path
                .strip_prefix(ENTRIES)
                .filter(|name| name.ends_with(".conf"));
            let is_uki = path.starts_with(UKIS) && path.ends_with(".efi");
            if entry.is_none() && !is_uki && path != BOOT_LOADER && path != TOML {
                continue;
            }
            let content = read(disk, fat, path, file);
            let digest = content
                .as_ref()
                .map(|data| Digest::of(data))
                .map_err(Clone::clone);
            view.digests.insert(path.clone(), digest);
            if let (Some(name), Ok(data), true) = (entry, content, file.size <= MAX_ENTRY) {
                view.entries.push(EntryFile {
                    name: name.to_owned(),
                    content: String::from_utf8_lossy(&data).into_owned(),
                });
            }
        }
        view
    }

    /// Whether there is a file of that name, which is what the boot loader asks.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.names.contains(&path.to_ascii_lowercase())
    }

    /// Whether the UKI of this root is whole; what is wrong with it else.
    pub(crate) fn uki(&self, root: &RootDigest, known: Option<&Digest>) -> Result<(), String> {
        let path = paths::uki_on_esp(root);
        let known = known.ok_or_else(|| format!("nobody knows the UKI {path}"))?;
        self.is(path.trim_start_matches('/'), known)
    }

    /// Whether the file at a path has this content.
    pub(crate) fn is(&self, path: &str, known: &Digest) -> Result<(), String> {
        match self.digests.get(path) {
            None => Err(format!("/{path} is not on the ESP")),
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(found)) if found == known => Ok(()),
            Some(Ok(_)) => Err(format!("/{path} on the ESP is not whole")),
        }
    }

    /// The boot loader's own digest, to be compared with the one before the recording.
    pub(crate) fn boot_loader(&self) -> Result<Digest, String> {
        let found = self.digests.get(BOOT_LOADER);
        found
            .cloned()
            .unwrap_or_else(|| Err(format!("/{BOOT_LOADER} is not on the ESP")))
    }
}

fn read(disk: &Disk, fat: &Fat, path: &str, file: &FatFile) -> Result<Vec<u8>, String> {
    if let Some(other) = fat.shared_with(path) {
        return Err(format!("/{path} on the ESP shares clusters with /{other}"));
    }
    fat.content(disk, file)
        .map_err(|error| format!("/{path}: {error}"))
}
