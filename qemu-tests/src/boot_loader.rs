//! The boot loader of a namespace machine: what systemd-boot and the UKI do on a real one.

use crate::spec::NodeDisk;
use orlop_config::RootDigest;
use orlop_core::boot::{EntryFile, loader};
use orlop_core::paths;
use orlop_image::uki::{self, UkiError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The word of the command line that names the root; the initrd takes it.
const ROOT_WORD: &str = "orlop.root=";

/// What the boot loader starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootChoice {
    /// The entry's file name, as it lay there before this boot.
    pub entry: String,
    /// The root file system that the UKI's command line names.
    pub root: RootDigest,
    /// The rest of the command line, for systemd.
    pub arguments: Vec<String>,
}

/// The boot loader finds nothing to start.
#[derive(Debug, thiserror::Error)]
pub enum BootLoaderError {
    /// The ESP's folder of entries.
    #[error("cannot read the boot entries in {path}")]
    Entries {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No entry whose program is there.
    #[error("cannot boot: no entry in {path} names a UKI that exists")]
    NoEntry {
        /// The folder.
        path: PathBuf,
    },
    /// The try cannot be counted.
    #[error("cannot count the try of {entry}")]
    Count {
        /// The entry's file.
        entry: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The UKI cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The UKI's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The UKI is none.
    #[error("cannot start {path}")]
    Uki {
        /// The UKI's file.
        path: PathBuf,
        /// Why.
        source: UkiError,
    },
}

/// Chooses the next boot from the node's ESP as systemd-boot does, and counts the try there.
///
/// # Errors
/// Each variant of [`BootLoaderError`] is a step.
pub(crate) fn choose_boot(disk: &NodeDisk) -> Result<BootChoice, BootLoaderError> {
    let folder = disk.efi.join(below_esp(paths::ENTRIES));
    let failed = |source| BootLoaderError::Entries {
        path: folder.clone(),
        source,
    };
    let files = read_entries(&folder).map_err(failed)?;
    let on_esp = |path: &str| disk.efi.join(path.trim_start_matches('/'));
    let choice = loader::choose(&files, |path| on_esp(path).exists()).ok_or_else(|| {
        BootLoaderError::NoEntry {
            path: folder.clone(),
        }
    })?;
    if let Some(name) = &choice.rename {
        let entry = folder.join(&choice.entry.name);
        fs::rename(&entry, folder.join(name))
            .map_err(|source| BootLoaderError::Count { entry, source })?;
    }
    let program = program(&choice.entry).ok_or_else(|| BootLoaderError::NoEntry {
        path: folder.clone(),
    })?;
    let path = on_esp(program);
    let bytes = fs::read(&path).map_err(|source| BootLoaderError::Read {
        path: path.clone(),
        source,
    })?;
    let uki = |source| BootLoaderError::Uki {
        path: path.clone(),
        source,
    };
    let root = uki::root_digest(&bytes).map_err(uki)?;
    let words = uki::cmdline(&bytes).map_err(uki)?.split_ascii_whitespace();
    let arguments = words
        .filter(|word| !word.starts_with(ROOT_WORD))
        .map(str::to_owned)
        .collect();
    Ok(BootChoice {
        entry: choice.entry.name,
        root,
        arguments,
    })
}

fn read_entries(folder: &Path) -> io::Result<Vec<EntryFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // The boot loader reads UTF-8 only, too.
        if let (Ok(name), Ok(content)) = (
            entry.file_name().into_string(),
            fs::read_to_string(entry.path()),
        ) {
            files.push(EntryFile { name, content });
        }
    }
    Ok(files)
}

/// The EFI program of an entry.
fn program(entry: &EntryFile) -> Option<&str> {
    entry.content.lines().rev().find_map(|line| {
        let (key, value) = line.trim().split_once(char::is_whitespace)?;
        (key == "efi").then(|| value.trim())
    })
}

/// A path of the agent's without the ESP's mount point.
fn below_esp(path: &str) -> &str {
    path.trim_start_matches("/efi/")
}
