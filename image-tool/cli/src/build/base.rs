//! The base: Debian packages, unpacked and configured by mmdebstrap, kept as a tar.

use super::recipe::BaseSection;
use super::tree::{Content, Kind, Node, Tree};
use orlop_config::Digest;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Bump it when this code makes another base out of the same recipe.
const BASE_FORMAT: u32 = 1;

/// A base that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaseError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot run {program}")]
    Run {
        program: &'static str,
        source: io::Error,
    },
    #[error("cannot tell the package mirror: apt on this machine has no Debian repository")]
    NoMirror,
    #[error(
        "cannot install the packages of the base: mmdebstrap failed ({status}); its messages are above"
    )]
    Mmdebstrap { status: std::process::ExitStatus },
    #[error("cannot read the base {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot use {entry} of the base {path}: {why}")]
    Entry {
        path: PathBuf,
        entry: String,
        why: &'static str,
    },
}

/// What a base is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) base: &'a BaseSection,
    /// A directory of sysusers.d(5) files: users and groups besides those of the packages.
    pub(crate) sysusers: &'a Path,
}

impl BaseError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Run { program, source } if source.kind() == io::ErrorKind::NotFound => Some(
                format!("install what a build needs: make setup ({program} is missing)"),
            ),
            Self::NoMirror => Some("fetch apt's lists: apt-get update".to_owned()),
            _ => None,
        }
    }
}

/// The tar of the base: from `cache`, where it has the digest of what it is made from in its name,
/// or made now.
pub(crate) fn obtain(wanted: Wanted<'_>, cache: &Path, fresh: bool) -> Result<PathBuf, BaseError> {
    let tar = cache.join(format!("base-{}.tar", key(wanted)?));
    if tar.exists() && !fresh {
        return Ok(tar);
    }
    let failed = |source| BaseError::Write {
        path: tar.clone(),
        source,
    };
    fs::create_dir_all(cache).map_err(failed)?;
    let unfinished = tar.with_extension("new.tar");
    mmdebstrap(wanted, &unfinished)?;
    fs::rename(&unfinished, &tar).map_err(failed)?;
    Ok(tar)
}

/// Twelve hex digits that are others whenever the base would be.
fn key(wanted: Wanted<'_>) -> Result<String, BaseError> {
    let mut text = format!("{BASE_FORMAT} {}", wanted.base.suite);
    for package in &wanted.base.packages {
        text.push('\n');
        text.push_str(package);
    }
    let read = |source| BaseError::Read {
        path: wanted.sysusers.to_owned(),
        source,
    };
    let mut files = fs::read_dir(wanted.sysusers)
        .and_then(|dir| {
            dir.map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(read)?;
    files.sort();
    for file in files {
        text.push_str(&fs::read_to_string(&file).map_err(read)?);
    }
    Ok(Digest::of(text.as_bytes()).short().to_owned())
}

fn mmdebstrap(wanted: Wanted<'_>, output: &Path) -> Result<(), BaseError> {
    let suite = &wanted.base.suite;
    let status = Command::new("mmdebstrap")
        .args(["--variant=essential", "--format=tar"])
        .arg(format!("--include={}", wanted.base.packages.join(",")))
        .arg(format!(
            "--customize-hook=sync-in {} /usr/lib/sysusers.d",
            quoted(wanted.sysusers)
        ))
        .arg("--customize-hook=chroot \"$1\" systemd-sysusers")
        .arg(suite)
        .arg(output)
        .args(sources(suite)?)
        .status()
        .map_err(|source| BaseError::Run {
            program: "mmdebstrap",
            source,
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(BaseError::Mmdebstrap { status })
    }
}

/// A path as a word of a shell command.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// The lines of a sources.list for `suite`, from the mirrors that this machine's own apt uses for
/// Debian and its security updates.
fn sources(suite: &str) -> Result<Vec<String>, BaseError> {
    let main = mirror("Debian")?.ok_or(BaseError::NoMirror)?;
    let security = mirror("Debian-Security")?;
    let mut lines = vec![
        format!("deb {main} {suite} main"),
        format!("deb {main} {suite}-updates main"),
    ];
    lines.extend(security.map(|mirror| format!("deb {mirror} {suite}-security main")));
    Ok(lines)
}

fn mirror(label: &str) -> Result<Option<String>, BaseError> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Origin: Debian"])
        .arg(format!("Label: {label}"))
        .output()
        .map_err(|source| BaseError::Run {
            program: "apt-get",
            source,
        })?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .map(str::to_owned))
}

/// Reads the tar of a base. Device nodes are passed over: the kernel makes them.
pub(crate) fn read(path: &Path) -> Result<Tree, BaseError> {
    let unreadable = |source| BaseError::Read {
        path: path.to_owned(),
        source,
    };
    let file = Arc::new(File::open(path).map_err(unreadable)?);
    let mut archive = tar::Archive::new(&*file);
    let mut tree = Tree::default();
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry
            .path()
            .map_err(unreadable)?
            .to_string_lossy()
            .into_owned();
        let name = name
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned();
        if name.is_empty() {
            continue;
        }
        let bad = |why| BaseError::Entry {
            path: path.to_owned(),
            entry: name.clone(),
            why,
        };
        let header = entry.header();
        let target = || -> Result<Option<String>, BaseError> {
            let link = entry.link_name().map_err(unreadable)?;
            Ok(link.map(|link| link.to_string_lossy().into_owned()))
        };
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Dir,
            tar::EntryType::Regular => Kind::File(Content::Part {
                file: Arc::clone(&file),
                offset: entry.raw_file_position(),
                length: entry.size(),
            }),
            tar::EntryType::Symlink => Kind::Link {
                target: target()?.ok_or_else(|| bad("a link without a target"))?,
            },
            tar::EntryType::Link => {
                let target = target()?.ok_or_else(|| bad("a link without a target"))?;
                let target = tree.get(target.trim_start_matches("./"));
                target
                    .ok_or_else(|| bad("a hard link to nothing"))?
                    .kind
                    .clone()
            }
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => continue,
            _ => return Err(bad("an entry of an unknown type")),
        };
        let node = Node {
            kind,
            mode: header.mode().map_err(unreadable)? & 0o7777,
            uid: header.uid().map_err(unreadable)?,
            gid: header.gid().map_err(unreadable)?,
        };
        tree.insert(&name, node);
    }
    Ok(tree)
}
