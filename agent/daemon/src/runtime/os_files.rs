//! Notices containers that hold files of an OS that a live swap has put away. All blocking.
//!
//! A bind of `/usr/share` goes on leading into the root file system that it was made from. That one
//! stays mounted for it, but what no generation needs is removed from the store below it.

use super::error::StepError;
use orlop_config::Bind;
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What each OS brings along: its root, and the settings that are made for it.
const OF_OS: [&str; 2] = ["/", "/etc"];

/// The mark of a container with `binds`, which must be there: which OS's files it holds; none where it
/// holds none.
///
/// # Errors
/// Where a path cannot be asked for its file system.
pub(super) fn mark(binds: &[Bind]) -> Result<Option<String>, StepError> {
    let now = [device(OF_OS[0])?, device(OF_OS[1])?];
    for bind in binds {
        if now.contains(&device(&bind.host)?) {
            return Ok(Some(text(now)));
        }
    }
    Ok(None)
}

/// Whether a container with this mark holds files of another OS than the one that runs.
///
/// # Errors
/// As [`mark`].
pub(super) fn are_of_another(mark: &str) -> Result<bool, StepError> {
    Ok(mark != text([device(OF_OS[0])?, device(OF_OS[1])?]))
}

/// No two file systems have the same number at a time, and whoever holds files keeps theirs mounted.
fn device(path: &str) -> Result<u64, StepError> {
    let path = Path::new(path);
    let found = metadata(path).map_err(StepError::file("find", path))?;
    Ok(found.dev())
}

fn text([root, settings]: [u64; 2]) -> String {
    format!("{root} {settings}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(host: &str) -> Bind {
        Bind {
            host: host.to_owned(),
            path: "/here".to_owned(),
            read_only: true,
        }
    }

    #[test]
    fn who_holds_files_of_the_os_is_marked_with_it_and_nobody_else_is() {
        assert_eq!(mark(&[]).unwrap(), None);
        assert_eq!(mark(&[bind("/proc")]).unwrap(), None);
        let of_os = mark(&[bind("/proc"), bind("/usr/share")]).unwrap().unwrap();
        assert!(!are_of_another(&of_os).unwrap());
        assert!(are_of_another("1 1").unwrap());
        assert!(mark(&[bind("/not/there")]).is_err());
    }
}
