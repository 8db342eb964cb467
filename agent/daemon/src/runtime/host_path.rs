//! Paths of the host that containers are given. All blocking.

use super::error::StepError;
use orlop_config::Bind;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Below it directories are made for whoever asks.
const SHARED: &str = "/var/srv";
const SHARED_MODE: u32 = 0o755;
/// An environment file larger than this is refused.
const MAX_ENV_FILE: u64 = 1024 * 1024;

/// Makes sure that what `bind` names is there. No symbolic link is followed: another container may
/// have put one into a directory that both share. With `any_path` the operator has said that all of
/// the host may be had, and links lead where they lead.
pub(super) fn check(bind: &Bind, any_path: bool) -> Result<(), StepError> {
    let path = Path::new(&bind.host);
    if any_path {
        let found = std::fs::metadata(path).map(drop);
        return found.map_err(StepError::file("find", path));
    }
    let make = path.starts_with(SHARED);
    open_without_links(path, make)
        .map(drop)
        .map_err(|error| StepError::file("find", path)(error.into()))
}

/// Opens `path` from the root down, directory by directory; makes what is missing where `make`.
fn open_without_links(path: &Path, make: bool) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = openat(CWD, "/", flags | OFlags::DIRECTORY, Mode::empty())?;
    for part in path.iter().skip(1) {
        let found = match openat(&at, part, flags, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                match mkdirat(&at, part, Mode::from_raw_mode(SHARED_MODE)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                openat(&at, part, flags, Mode::empty())?
            }
            found => found?,
        };
        // With O_PATH a link itself is opened.
        if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode).is_symlink() {
            return Err(Errno::LOOP);
        }
        at = found;
    }
    Ok(at)
}

/// The variables of a file with lines `NAME=value`; empty lines and those with `#` mean nothing.
pub(super) fn env_file(path: &str) -> Result<BTreeMap<String, String>, StepError> {
    let path = Path::new(path);
    let length = std::fs::metadata(path).map_err(StepError::file("read", path))?;
    let text = if length.is_file() && length.len() <= MAX_ENV_FILE {
        std::fs::read_to_string(path).map_err(StepError::file("read", path))?
    } else {
        let why = std::io::Error::other("it is no file of at most 1 MiB");
        return Err(StepError::file("read", path)(why));
    };
    let mut out = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pair = line
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.contains('\0'));
        let Some((name, value)) = pair else {
            let why = format!("line {} is not `NAME=value`", index + 1);
            return Err(StepError::file("read", path)(std::io::Error::other(why)));
        };
        out.insert(name.to_owned(), value.to_owned());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(host: &Path) -> Bind {
        Bind {
            host: host.to_str().unwrap().to_owned(),
            path: "/x".to_owned(),
            read_only: true,
            propagation: orlop_config::Propagation::default(),
        }
    }

    #[test]
    fn a_link_on_the_way_is_refused_unless_all_of_the_host_may_be_had() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "").unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        assert!(check(&bind(&root.join("real/file")), false).is_ok());
        for way in ["link", "link/file", "missing"] {
            assert!(check(&bind(&root.join(way)), false).is_err(), "{way}");
        }
        assert!(check(&bind(&root.join("link/file")), true).is_ok());
    }

    #[test]
    fn missing_directories_are_made_but_not_through_a_link() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("away")).unwrap();
        std::os::unix::fs::symlink("away", root.join("link")).unwrap();
        open_without_links(&root.join("a/b"), true).unwrap();
        assert!(root.join("a/b").is_dir());
        assert!(open_without_links(&root.join("link/b"), true).is_err());
        assert!(!root.join("away/b").exists());
    }

    #[test]
    fn an_environment_file_is_read_and_a_bad_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, "# comment\n\nA=b=c\n  B=\n").unwrap();
        let read = env_file(path).unwrap();
        assert_eq!(read["A"], "b=c");
        assert_eq!(read["B"], "");
        std::fs::write(path, "A=1\nnonsense\n").unwrap();
        let error = env_file(path).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "line 2 is not `NAME=value`");
    }
}
