//! Lets the processes of containers live through the last signals of a soft reboot.
//!
//! systemd marks the control group of a unit that has `SurviveFinalKillSignal=yes` with an extended
//! attribute, and spares every process whose own group has it (systemd-soft-reboot.service(8)). The
//! processes of a container are in groups below its unit's, which systemd knows nothing of.

use super::group::{MAX_DEPTH, group_of};
use super::unit::PAYLOAD_GROUP;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, setxattr};

/// The mark, and its value.
const MARK: &str = "user.survive_final_kill_signal";
const YES: &[u8] = b"1";

/// Marks every control group of the unit `unit`. One that is not there, or goes away meanwhile, needs
/// no mark. Says whether the container's own group was there: systemd tells of a task when its OCI
/// runtime runs, which has yet to make the group.
///
/// # Errors
/// The first group that cannot be read or marked.
pub(super) fn mark(unit: &str) -> io::Result<bool> {
    mark_unit(&group_of(unit))
}

fn mark_unit(group: &Path) -> io::Result<bool> {
    // Asked first: what is there now is marked.
    let whole = group.join(PAYLOAD_GROUP).is_dir();
    mark_below(group, MAX_DEPTH)?;
    Ok(whole)
}

fn mark_below(group: &Path, depth: usize) -> io::Result<()> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let marked = setxattr(group, MARK, YES, XattrFlags::empty()).map_err(io::Error::from);
    let entries = match marked.and_then(|()| fs::read_dir(group)) {
        Ok(entries) => entries,
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    if depth == 0 {
        return Ok(());
    }
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            mark_below(&entry.path(), depth - 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::getxattr;

    #[test]
    fn every_group_of_a_unit_is_marked_and_a_missing_one_is_no_error() {
        // Any file system with extended attributes does.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let payload = dir.path().join("unit/payload/own");
        fs::create_dir_all(&payload).unwrap();
        fs::write(dir.path().join("unit/cgroup.procs"), "").unwrap();
        assert!(mark_unit(&dir.path().join("unit")).unwrap());
        for group in ["unit", "unit/payload", "unit/payload/own"] {
            let mut value = [0_u8; 8];
            let length = getxattr(dir.path().join(group), MARK, &mut value).unwrap();
            assert_eq!(&value[..length], YES, "{group}");
        }
        assert!(!mark_unit(&dir.path().join("gone")).unwrap());
    }

    #[test]
    fn a_unit_whose_container_has_no_group_yet_is_not_done() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        fs::create_dir(dir.path().join("runtime")).unwrap();
        assert!(!mark_unit(dir.path()).unwrap());
        fs::create_dir(dir.path().join(PAYLOAD_GROUP)).unwrap();
        assert!(mark_unit(dir.path()).unwrap());
    }
}
