//! Notices containers that hold files of an OS that a live swap has put away. All blocking.
//!
//! A bind of `/usr/share` goes on leading into the root file system that it was made from. That one
//! stays mounted for it, but what no generation needs is removed from the store below it.

use super::error::StepError;
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What each OS brings along: its root, and the settings that are made for it.
const OF_OS: [&str; 2] = ["/", "/etc"];

/// The mark of a container that has these `paths` of the host, which must be there: which OS's files it holds; none where it
/// holds none.
///
/// # Errors
/// Where a path cannot be asked for its file system.
pub(super) fn mark<'p>(
    paths: impl IntoIterator<Item = &'p Path>,
) -> Result<Option<String>, StepError> {
    let now = of_this()?;
    for path in paths {
        if now.contains(&device(path)?) {
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
    Ok(mark != text(of_this()?))
}

fn of_this() -> Result<[u64; 2], StepError> {
    Ok([device(Path::new(OF_OS[0]))?, device(Path::new(OF_OS[1]))?])
}

/// No two file systems have the same number at a time, and whoever holds files keeps theirs mounted.
fn device(path: &Path) -> Result<u64, StepError> {
    let found = metadata(path).map_err(StepError::file("find", path))?;
    Ok(found.dev())
}

fn text([root, settings]: [u64; 2]) -> String {
    format!("{root} {settings}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(paths: &[&str]) -> Result<Option<String>, StepError> {
        super::mark(paths.iter().map(Path::new))
    }

    #[test]
    fn who_holds_files_of_the_os_is_marked_with_it_and_nobody_else_is() {
        assert_eq!(mark(&[]).unwrap(), None);
        assert_eq!(mark(&["/proc"]).unwrap(), None);
        let of_os = mark(&["/proc", "/usr/share"]).unwrap().unwrap();
        assert!(!are_of_another(&of_os).unwrap());
        assert!(are_of_another("1 1").unwrap());
        assert!(mark(&["/not/there"]).is_err());
    }
}
