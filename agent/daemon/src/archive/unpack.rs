//! A tar archive into a folder.

use super::beneath::{folder, handle, normal, parted};
use super::{ArchiveError, is_carried};
use crate::id_range::IdRange;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
    fsetxattr, futimens, linkat, mkdirat, mknodat, openat, statat, symlinkat, unlinkat, utimensat,
};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// Folders that the archive only implies.
const IMPLIED: u32 = 0o755;
const PERMISSIONS: u32 = 0o7777;
/// What a file is made with until it is whole.
const PRIVATE: u32 = 0o600;
/// The key of an extended attribute in a pax header.
const ATTRIBUTE: &str = "SCHILY.xattr.";

/// Whose what is unpacked becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Of the numbers in the archive.
    AsPacked,
    /// Root's.
    Root,
}

/// Unpacks into a folder.
pub(crate) struct Unpack<'a> {
    /// Where.
    pub(crate) root: &'a OwnedFd,
    /// Whose it becomes.
    pub(crate) owner: Owner,
    /// The host's ids that the ids of the archive are, where it is not these themselves.
    pub(crate) ids: Option<IdRange>,
    /// What the first name of each path becomes.
    pub(crate) top: Option<OsString>,
}

/// The parts of a header that become a file's own.
struct Look {
    mode: Mode,
    uid: Uid,
    gid: Gid,
    times: Timestamps,
    attributes: Vec<(String, Vec<u8>)>,
}

impl Unpack<'_> {
    /// Unpacks the whole archive, which must hold no device. What is there already is replaced, but for folders, which take on mode
    /// and owner. Not synced.
    ///
    /// # Errors
    /// At the first entry that cannot be made; those before it are there.
    pub(crate) fn run(&self, input: &mut dyn Read) -> Result<(), ArchiveError> {
        let mut counted = Counted { input, bytes: 0 };
        let mut times: Vec<(PathBuf, Timestamps)> = Vec::new();
        let mut archive = Archive::new(&mut counted as &mut dyn Read);
        for entry in archive.entries().map_err(ArchiveError::Read)? {
            let mut entry = entry.map_err(ArchiveError::Read)?;
            let named = entry.path().map_err(ArchiveError::Read)?.into_owned();
            let path = self.placed(&normal(&named)?);
            let look = self.look(&mut entry)?;
            if self.one(&mut entry, &path, &look)? {
                times.push((path, look.times));
            }
        }
        // From below: what is made in a folder changes its time.
        for (path, times) in times.iter().rev() {
            let dir = folder(self.root.as_fd(), path)?;
            futimens(&dir, times).map_err(ArchiveError::file("set the time of", path))?;
        }
        // What comes after the end is read, so that whoever sends it sees it taken.
        io::copy(&mut counted, &mut io::sink()).map_err(ArchiveError::Read)?;
        match counted.bytes {
            0 => Err(ArchiveError::Empty),
            _ => Ok(()),
        }
    }

    /// Where a path of the archive is to be.
    fn placed(&self, path: &Path) -> PathBuf {
        let mut parts = path.iter();
        match (&self.top, parts.next()) {
            (Some(top), Some(_)) => Path::new(top).join(parts.as_path()),
            _ => path.to_owned(),
        }
    }

    fn look(&self, entry: &mut Entry<'_, &mut dyn Read>) -> Result<Look, ArchiveError> {
        let mut attributes = Vec::new();
        if let Some(extensions) = entry.pax_extensions().map_err(ArchiveError::Read)? {
            for extension in extensions {
                let extension = extension.map_err(ArchiveError::Read)?;
                let key = extension
                    .key()
                    .ok()
                    .and_then(|key| key.strip_prefix(ATTRIBUTE));
                if let Some(key) = key.filter(|key| is_carried(key)) {
                    attributes.push((key.to_owned(), extension.value_bytes().to_vec()));
                }
            }
        }
        let header = entry.header();
        let number = |number: io::Result<u64>| {
            let number = number.map_err(ArchiveError::Read)?;
            u32::try_from(number).map_err(|error| ArchiveError::Read(io::Error::other(error)))
        };
        let (uid, gid) = match self.owner {
            Owner::AsPacked => (number(header.uid())?, number(header.gid())?),
            Owner::Root => (0, 0),
        };
        let here = |id: u32| {
            let here = self.ids.map_or(Some(id), |range| range.to_host(id));
            here.ok_or(ArchiveError::BeyondIds { id })
        };
        let (uid, gid) = (here(uid)?, here(gid)?);
        let mode = header.mode().map_err(ArchiveError::Read)?;
        let seconds = header.mtime().map_err(ArchiveError::Read)?;
        let time = Timespec {
            tv_sec: i64::try_from(seconds).unwrap_or(0),
            tv_nsec: 0,
        };
        Ok(Look {
            mode: Mode::from_raw_mode(mode & PERMISSIONS),
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            times: Timestamps {
                last_access: time,
                last_modification: time,
            },
            attributes,
        })
    }

    /// Makes one entry; says whether it is a folder.
    fn one(
        &self,
        entry: &mut Entry<'_, &mut dyn Read>,
        path: &Path,
        look: &Look,
    ) -> Result<bool, ArchiveError> {
        let kind = entry.header().entry_type();
        let Some((above, name)) = parted(path) else {
            // The folder itself.
            if kind == EntryType::Directory {
                self.folder(path, look)?;
            }
            return Ok(kind == EntryType::Directory);
        };
        let parent = self.parent(above)?;
        match kind {
            EntryType::Directory => {
                match mkdirat(&parent, name, Mode::from_raw_mode(PRIVATE | 0o100)) {
                    Err(rustix::io::Errno::EXIST) => {}
                    made => made.map_err(ArchiveError::file("create", path))?,
                }
                self.folder(path, look)?;
                return Ok(true);
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                make_room(&parent, name, path)?;
                file(entry, &parent, (name, path), look)?;
            }
            EntryType::Symlink => {
                let target = target(entry, path)?;
                make_room(&parent, name, path)?;
                symlinkat(&target, &parent, name).map_err(ArchiveError::file("create", path))?;
                own_link(&parent, (name, path), look)?;
            }
            EntryType::Link => {
                let first = self.placed(&normal(&target(entry, path)?)?);
                make_room(&parent, name, path)?;
                self.link(&first, &parent, (name, path))?;
            }
            EntryType::Fifo => {
                make_room(&parent, name, path)?;
                mknodat(&parent, name, FileType::Fifo, look.mode, 0)
                    .map_err(ArchiveError::file("create", path))?;
                own_link(&parent, (name, path), look)?;
            }
            EntryType::Char | EntryType::Block => {
                let path = path.to_owned();
                return Err(ArchiveError::Device { path });
            }
            // Of no file: a comment on the archive.
            EntryType::XGlobalHeader => {}
            other => {
                let kind = char::from(other.as_byte());
                let path = path.to_owned();
                return Err(ArchiveError::Kind { path, kind });
            }
        }
        Ok(false)
    }

    /// The folder of an entry, made where the archive only implies it.
    fn parent(&self, path: &Path) -> Result<OwnedFd, ArchiveError> {
        match folder(self.root.as_fd(), path) {
            Err(ArchiveError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let Some((above, name)) = parted(path) else {
            return folder(self.root.as_fd(), path);
        };
        let parent = self.parent(above)?;
        mkdirat(&parent, name, Mode::from_raw_mode(IMPLIED))
            .map_err(ArchiveError::file("create", path))?;
        folder(self.root.as_fd(), path)
    }

    fn folder(&self, path: &Path, look: &Look) -> Result<(), ArchiveError> {
        let dir = folder(self.root.as_fd(), path)?;
        dress(&dir, path, look)
    }

    fn link(
        &self,
        first: &Path,
        parent: &OwnedFd,
        (name, path): (&OsStr, &Path),
    ) -> Result<(), ArchiveError> {
        let Some((above, of)) = parted(first) else {
            let path = path.to_owned();
            return Err(ArchiveError::Outside { path });
        };
        let dir = folder(self.root.as_fd(), above)?;
        // Looked at first, so that the error names what is missing.
        handle(self.root.as_fd(), first)?;
        linkat(&dir, of, parent, name, AtFlags::empty()).map_err(ArchiveError::file("link", path))
    }
}

fn target(entry: &Entry<'_, &mut dyn Read>, path: &Path) -> Result<PathBuf, ArchiveError> {
    let bytes = entry.link_name_bytes();
    match bytes.as_deref() {
        Some(bytes) if !bytes.is_empty() => Ok(PathBuf::from(OsStr::from_bytes(bytes))),
        _ => Err(ArchiveError::Read(io::Error::other(format!(
            "the link {} leads nowhere",
            path.display()
        )))),
    }
}

/// Removes what has the name of something that is to be made, unless it is a folder.
fn make_room(parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), ArchiveError> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(ArchiveError::file("look at", path)(error)),
        Ok(_) => {
            unlinkat(parent, name, AtFlags::empty()).map_err(ArchiveError::file("replace", path))
        }
    }
}

fn file(
    entry: &mut Entry<'_, &mut dyn Read>,
    parent: &OwnedFd,
    (name, path): (&OsStr, &Path),
    look: &Look,
) -> Result<(), ArchiveError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(parent, name, flags, Mode::from_raw_mode(PRIVATE));
    let mut file = File::from(made.map_err(ArchiveError::file("create", path))?);
    io::copy(entry, &mut file).map_err(|error| match error.raw_os_error() {
        // Of the file; errors of the archive have no number.
        Some(_) => ArchiveError::file("write", path)(error),
        None => ArchiveError::Read(error),
    })?;
    let file = OwnedFd::from(file);
    dress(&file, path, look)?;
    futimens(&file, &look.times).map_err(ArchiveError::file("set the time of", path))
}

/// Owner first: a change of it takes away what the mode gives.
fn dress(file: &OwnedFd, path: &Path, look: &Look) -> Result<(), ArchiveError> {
    fchown(file, Some(look.uid), Some(look.gid))
        .map_err(ArchiveError::file("set the owner of", path))?;
    fchmod(file, look.mode).map_err(ArchiveError::file("set the mode of", path))?;
    for (key, value) in &look.attributes {
        fsetxattr(file, key.as_str(), value, rustix::fs::XattrFlags::empty())
            .map_err(ArchiveError::file("set the attributes of", path))?;
    }
    Ok(())
}

fn own_link(
    parent: &OwnedFd,
    (name, path): (&OsStr, &Path),
    look: &Look,
) -> Result<(), ArchiveError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    chownat(parent, name, Some(look.uid), Some(look.gid), flags)
        .map_err(ArchiveError::file("set the owner of", path))?;
    utimensat(parent, name, &look.times, flags).map_err(ArchiveError::file("set the time of", path))
}

/// Counts what is read.
struct Counted<'a> {
    input: &'a mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
