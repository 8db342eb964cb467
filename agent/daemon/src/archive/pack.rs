//! A folder, or one file, as a tar archive (POSIX.1-2001 pax with GNU's long names).

use super::beneath::{folder, handle, names};
use super::{ArchiveError, is_carried};
use crate::id_range::IdRange;
use rustix::fs::{FileType, OFlags, Stat, fstat, fstatfs, readlinkat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// The longest value of an extended attribute (xattr(7), `XATTR_SIZE_MAX`).
const LONGEST_ATTRIBUTE: usize = 64 * 1024;
/// File systems that show the kernel's state and hold no files (linux/magic.h): proc, sysfs, cgroup2,
/// devpts, mqueue.
const NO_FILES: [u64; 5] = [0x9fa0, 0x6265_6572, 0x6367_7270, 0x1cd1, 0x1980_0202];
const PERMISSIONS: u32 = 0o7777;
/// Who owns what belongs to nobody whom a user namespace knows (proc(5), `overflowuid`).
const NOBODY: u32 = 65_534;

struct Packer<'a> {
    tar: Builder<&'a mut dyn Write>,
    /// Files with several names, by device and number: the first name in the archive.
    named: BTreeMap<(u64, u64), PathBuf>,
    ids: Option<IdRange>,
}

/// Writes what is at `path` below `root` to `out`, under the name `name`: empty for a folder whose content is
/// the archive's. Sockets are left out, and what is below file systems that hold no files. What changes
/// meanwhile is packed as it is found. With `ids` the owners are those of a container with these of the
/// host's ids; who is none of them becomes nobody, as the container sees it.
pub(crate) fn pack(
    root: &OwnedFd,
    ids: Option<IdRange>,
    path: &Path,
    name: &Path,
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let mut packer = Packer {
        tar: Builder::new(out),
        named: BTreeMap::new(),
        ids,
    };
    let mut rest = vec![(path.to_owned(), name.to_owned())];
    while let Some((path, name)) = rest.pop() {
        let before = rest.len();
        packer.one(root, &path, &name, &mut rest)?;
        // The last is taken first.
        rest[before..].reverse();
    }
    packer.tar.finish().map_err(ArchiveError::Write)
}

impl Packer<'_> {
    fn one(
        &mut self,
        root: &OwnedFd,
        path: &Path,
        name: &Path,
        rest: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Result<(), ArchiveError> {
        let found = handle(root.as_fd(), path)?;
        let stat = fstat(&found).map_err(ArchiveError::file("look at", path))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut header = self.header(&stat);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let first = self.named.get(&(stat.st_dev, stat.st_ino));
            if let Some(first) = first {
                header.set_entry_type(EntryType::Link);
                return self
                    .tar
                    .append_link(&mut header, name, first)
                    .map_err(ArchiveError::Write);
            }
            let key = (stat.st_dev, stat.st_ino);
            self.named.insert(key, name.to_owned());
        }
        match kind {
            FileType::Directory => {
                self.attributes(&found, path)?;
                header.set_entry_type(EntryType::Directory);
                let shown = if name.as_os_str().is_empty() {
                    Path::new("./")
                } else {
                    name
                };
                self.append(&mut header, shown, &mut io::empty())?;
                self.below(root, path, name, rest)
            }
            FileType::RegularFile => {
                let file = reopen(&found, path)?;
                self.attributes(&found, path)?;
                header.set_entry_type(EntryType::Regular);
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                header.set_size(size);
                let mut exact = Exact { file, left: size };
                self.append(&mut header, name, &mut exact)
            }
            FileType::Symlink => {
                let target = readlinkat(&found, "", Vec::new());
                let target = target.map_err(ArchiveError::file("read", path))?;
                let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes()));
                header.set_entry_type(EntryType::Symlink);
                self.tar
                    .append_link(&mut header, name, target)
                    .map_err(ArchiveError::Write)
            }
            FileType::Fifo => self.special(header, EntryType::Fifo, name, &stat),
            FileType::CharacterDevice => self.special(header, EntryType::Char, name, &stat),
            FileType::BlockDevice => self.special(header, EntryType::Block, name, &stat),
            _ => {
                log::debug!("leaving {} out: a socket is no file", path.display());
                Ok(())
            }
        }
    }

    fn header(&self, stat: &Stat) -> Header {
        let mut header = Header::new_gnu();
        let inside = |id| match self.ids {
            Some(range) => range.to_container(id).unwrap_or(NOBODY),
            None => id,
        };
        header.set_mode(stat.st_mode & PERMISSIONS);
        header.set_uid(u64::from(inside(stat.st_uid)));
        header.set_gid(u64::from(inside(stat.st_gid)));
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(0);
        header
    }

    fn special(
        &mut self,
        mut header: Header,
        kind: EntryType,
        name: &Path,
        stat: &Stat,
    ) -> Result<(), ArchiveError> {
        header.set_entry_type(kind);
        let set = header
            .set_device_major(rustix::fs::major(stat.st_rdev))
            .and_then(|()| header.set_device_minor(rustix::fs::minor(stat.st_rdev)));
        set.map_err(ArchiveError::Write)?;
        self.append(&mut header, name, &mut io::empty())
    }

    fn append(
        &mut self,
        header: &mut Header,
        name: &Path,
        content: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        self.tar
            .append_data(header, name, content)
            .map_err(ArchiveError::Write)
    }

    /// Notes what is below a folder.
    fn below(
        &self,
        root: &OwnedFd,
        path: &Path,
        name: &Path,
        rest: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Result<(), ArchiveError> {
        let dir = folder(root.as_fd(), path)?;
        let system = fstatfs(&dir).map_err(ArchiveError::file("look at", path))?;
        if u64::try_from(system.f_type).is_ok_and(|magic| NO_FILES.contains(&magic)) {
            return Ok(());
        }
        for entry in names(&dir, path)? {
            rest.push((path.join(&entry), name.join(&entry)));
        }
        Ok(())
    }

    /// Puts the extended attributes before the entry that they are of.
    fn attributes(&mut self, found: &OwnedFd, path: &Path) -> Result<(), ArchiveError> {
        let by_handle = by_handle(found);
        let fail = || ArchiveError::file("read the attributes of", path);
        let mut list = vec![0; LONGEST_ATTRIBUTE];
        let length = match rustix::fs::listxattr(&by_handle, &mut list[..]) {
            // The file system has none.
            Err(rustix::io::Errno::NOTSUP) => 0,
            length => length.map_err(fail())?,
        };
        list.truncate(length);
        let keys = list.split(|byte| *byte == 0).filter(|key| !key.is_empty());
        let keys = keys.filter_map(|key| std::str::from_utf8(key).ok());
        let mut carried = Vec::new();
        for key in keys.filter(|key| is_carried(key)) {
            let mut value = vec![0; LONGEST_ATTRIBUTE];
            let length = rustix::fs::getxattr(&by_handle, key, &mut value[..]).map_err(fail())?;
            value.truncate(length);
            carried.push((format!("SCHILY.xattr.{key}"), value));
        }
        if carried.is_empty() {
            return Ok(());
        }
        let all = carried
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()));
        self.tar
            .append_pax_extensions(all)
            .map_err(ArchiveError::Write)
    }
}

/// What a handle is of, as a path for calls that take no handle.
fn by_handle(found: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

/// Opens the regular file behind a handle: what is opened is what was looked at.
fn reopen(found: &OwnedFd, path: &Path) -> Result<File, ArchiveError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(by_handle(found), flags, rustix::fs::Mode::empty());
    opened
        .map(File::from)
        .map_err(ArchiveError::file("open", path))
}

/// As many bytes of a file as its header says, whatever became of it meanwhile: zeros for what it lost.
struct Exact {
    file: File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let mut read = self.file.read(&mut buffer[..wanted])?;
        if read == 0 {
            buffer[..wanted].fill(0);
            read = wanted;
        }
        self.left -= read as u64;
        Ok(read)
    }
}
