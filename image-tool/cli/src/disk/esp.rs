//! The ESP: boot loader, UKI, boot entry, and the node's TOML.

use super::partitions::Extent;
use crate::tool::{self, ToolError};
use orlop_config::RootDigest;
use orlop_core::boot::{BootSequence, Entry};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where firmware looks for a boot loader on a disk that it does not know.
const BOOT_LOADER: &str = "EFI/BOOT/BOOTX64.EFI";

/// No menu: nobody stands before a node, and its command line is not for editing.
const LOADER_CONF: &str = "timeout 0\neditor no\n";

/// An ESP that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EspError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// What goes onto an ESP.
#[derive(Debug)]
pub(crate) struct EspFiles<'a> {
    /// systemd-boot.
    pub(crate) boot_loader: &'a Path,
    /// The image's UKI.
    pub(crate) uki: &'a Path,
    /// The image.
    pub(crate) root: &'a RootDigest,
    /// What it calls itself.
    pub(crate) version: &'a str,
    /// The node's TOML.
    pub(crate) config: Option<&'a Path>,
}

impl EspFiles<'_> {
    /// Makes the ESP in its place on the disk. `scratch` is an empty directory.
    pub(crate) fn write(&self, disk: &Path, place: Extent, scratch: &Path) -> Result<(), EspError> {
        self.gather(scratch)?;
        let args = [
            "-F".into(),
            "32".into(),
            "-n".into(),
            "ORLOP-ESP".into(),
            format!("--offset={}", place.offset / 512),
            disk.display().to_string(),
            (place.length / 1024).to_string(),
        ];
        tool::run("make the ESP's file system", "mkfs.vfat", &args, "")?;
        let mut args: Vec<PathBuf> = ["-s", "-Q", "-i"].into_iter().map(PathBuf::from).collect();
        args.push(format!("{}@@{}", disk.display(), place.offset).into());
        args.extend(["EFI", "loader", "orlop"].map(|dir| scratch.join(dir)));
        args.push("::/".into());
        Ok(tool::run("copy files to the ESP", "mcopy", &args, "")?)
    }

    /// The ESP's files, as a directory.
    fn gather(&self, dir: &Path) -> Result<(), EspError> {
        // The first entry is good by definition: there is no other to fall back to.
        let entry = Entry::new(self.version, BootSequence(1), self.root.clone()).file(None);
        put(dir, BOOT_LOADER, &load(self.boot_loader)?)?;
        put(
            dir,
            &format!("EFI/orlop/{}.efi", self.root),
            &load(self.uki)?,
        )?;
        put(dir, "loader/loader.conf", LOADER_CONF.as_bytes())?;
        put(
            dir,
            &format!("loader/entries/{}", entry.name),
            entry.content.as_bytes(),
        )?;
        let inbox = dir.join("orlop");
        fs::create_dir_all(&inbox).map_err(|source| EspError::Write {
            path: inbox,
            source,
        })?;
        match self.config {
            Some(config) => put(dir, "orlop/node.toml", &load(config)?),
            None => Ok(()),
        }
    }
}

fn load(path: &Path) -> Result<Vec<u8>, EspError> {
    fs::read(path).map_err(|source| EspError::Read {
        path: path.to_owned(),
        source,
    })
}

fn put(dir: &Path, name: &str, content: &[u8]) -> Result<(), EspError> {
    let path = dir.join(name);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, content))
        .map_err(|source| EspError::Write { path, source })
}
