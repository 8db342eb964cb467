//! Who a container's program runs as: names of the image's own passwd(5) and group(5).

use super::error::StepError;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// A passwd or group file of an image larger than this is not read further.
const LONGEST_FILE: u64 = 1024 * 1024;

/// A user of a container, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Groups besides `gid`, sorted.
    pub(super) groups: Vec<u32>,
}

/// The two files of an image, empty where it has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Those of the root file system at `rootfs`. No symbolic link of the image leads out of it.
    pub(super) fn read(rootfs: &Path) -> Result<Self, StepError> {
        Ok(Self {
            passwd: read_inside(rootfs, PASSWD)?,
            group: read_inside(rootfs, GROUP)?,
        })
    }

    /// `user`, `uid`, `user:group` or `uid:gid` (OCI image specification, config.md, `User`);
    /// nothing is root. Without a group it is the user's own, with its further groups, or 0
    /// where the number is nobody's.
    pub(super) fn resolve(&self, user: &str) -> Result<Identity, StepError> {
        let (user, group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (user, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let entry = self.user(user);
        let uid = match (&entry, user.parse()) {
            (Some(entry), _) => entry.uid,
            (None, Ok(uid)) => uid,
            (None, Err(_)) => return Err(missing("user", user, PASSWD)),
        };
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            return Ok(Identity {
                uid,
                gid: self.group(group)?,
                groups: Vec::new(),
            });
        }
        let Some(entry) = entry else {
            return Ok(Identity {
                uid,
                ..Identity::default()
            });
        };
        let groups = self.groups_of(entry.name, entry.gid);
        Ok(Identity {
            uid,
            gid: entry.gid,
            groups,
        })
    }

    /// A name comes before a number, as everywhere.
    fn user(&self, text: &str) -> Option<Entry<'_>> {
        let entries = || self.passwd.lines().filter_map(Entry::parse);
        let number = text.parse::<u32>().ok();
        entries()
            .find(|entry| entry.name == text)
            .or_else(|| entries().find(|entry| Some(entry.uid) == number))
    }

    fn group(&self, text: &str) -> Result<u32, StepError> {
        let by_name = self.group.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(text))
                .then(|| fields.nth(1)?.parse().ok())
                .flatten()
        });
        by_name
            .or_else(|| text.parse().ok())
            .ok_or_else(|| missing("group", text, GROUP))
    }

    fn groups_of(&self, user: &str, own: u32) -> Vec<u32> {
        let mut groups: Vec<u32> = self
            .group
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':').skip(2);
                let gid = fields.next()?.parse().ok()?;
                fields
                    .next()?
                    .split(',')
                    .any(|member| member == user)
                    .then_some(gid)
            })
            .filter(|gid| *gid != own)
            .collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

impl Identity {
    /// Adds further groups, by the image's name or by number.
    pub(super) fn add_groups(
        &mut self,
        accounts: &Accounts,
        names: &[String],
    ) -> Result<(), StepError> {
        for name in names {
            self.groups.push(accounts.group(name)?);
        }
        self.groups.sort_unstable();
        self.groups.dedup();
        Ok(())
    }
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { name, uid, gid })
    }
}

fn missing(kind: &'static str, name: &str, file: &'static str) -> StepError {
    StepError::NoUser {
        kind,
        name: name.to_owned(),
        file,
    }
}

/// Opens `path` as a process whose root is `rootfs` would see it, whatever symbolic links are in it.
pub(super) fn open_inside(rootfs: &Path, path: &str, flags: OFlags) -> rustix::io::Result<File> {
    let root = openat(
        CWD,
        rootfs,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).map(File::from)
}

/// The text of a regular file of the image; nothing where there is none.
fn read_inside(rootfs: &Path, path: &str) -> Result<String, StepError> {
    let full = || rootfs.join(path.trim_start_matches('/'));
    // Not blocking: what looks like a file may be a pipe.
    let file = match open_inside(rootfs, path, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            return Ok(String::new());
        }
        Err(error) => return Err(StepError::file("open", &full())(error.into())),
    };
    let fail = |source| StepError::file("read", &full())(source);
    if !file.metadata().map_err(fail)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Owner and mode of the directory `path` of the image, if there is one.
pub(super) fn directory_inside(rootfs: &Path, path: &str) -> Option<(u32, u32, u32)> {
    let file = open_inside(rootfs, path, OFlags::PATH | OFlags::DIRECTORY).ok()?;
    let metadata = file.metadata().ok()?;
    Some((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0::/root:/bin/sh\napp:x:1000:1001:App:/app:/bin/sh\nbroken\n\
                     7:x:70:70::/:/bin/sh\n"
                .into(),
            group:
                "root:x:0:\napp:x:1001:\nlog:x:9:app,other\nadm:x:4:other,app\nself:x:1001:app\n"
                    .into(),
        }
    }

    #[test]
    fn names_and_numbers_become_numbers() {
        for (text, uid, gid, groups) in [
            ("", 0, 0, vec![]),
            ("app", 1000, 1001, vec![4, 9]),
            ("1000", 1000, 1001, vec![4, 9]),
            ("app:log", 1000, 9, vec![]),
            ("app:33", 1000, 33, vec![]),
            ("12345", 12345, 0, vec![]),
            ("12345:app", 12345, 1001, vec![]),
            ("7", 70, 70, vec![]),
            (":app", 0, 1001, vec![]),
        ] {
            let identity = accounts().resolve(text).unwrap();
            assert_eq!(identity, Identity { uid, gid, groups }, "{text:?}");
        }
    }

    #[test]
    fn who_is_not_there_is_named() {
        let message = |text| accounts().resolve(text).unwrap_err().to_string();
        assert_eq!(
            message("nobody"),
            "the image has no user \"nobody\" in /etc/passwd"
        );
        assert_eq!(
            message("app:none"),
            "the image has no group \"none\" in /etc/group"
        );
        assert_eq!(message("-1"), "the image has no user \"-1\" in /etc/passwd");
    }

    #[test]
    fn a_link_in_the_image_does_not_lead_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let rootfs = dir.path().join("rootfs");
        std::fs::create_dir_all(rootfs.join("etc")).unwrap();
        std::fs::create_dir_all(rootfs.join("real")).unwrap();
        std::fs::write(dir.path().join("passwd"), "evil:x:6:6::/:\n").unwrap();
        std::os::unix::fs::symlink("../../passwd", rootfs.join("etc/passwd")).unwrap();
        std::fs::write(rootfs.join("real/group"), "in:x:5:\n").unwrap();
        std::os::unix::fs::symlink("/real/group", rootfs.join("etc/group")).unwrap();
        let accounts = Accounts::read(&rootfs).unwrap();
        assert!(accounts.resolve("evil").is_err());
        assert_eq!(accounts.resolve("1:in").unwrap().gid, 5);
    }

    #[test]
    fn a_pipe_for_a_passwd_file_does_not_hang_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let path = dir.path().join("etc/passwd");
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(Accounts::read(dir.path()).unwrap().passwd.is_empty());
    }
}
