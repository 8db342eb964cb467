//! A container's time zone: the OS image's rules of it, mounted as `/etc/localtime` (localtime(5)). All blocking.

use super::desired::DesiredContainer;
use super::error::StepError;
use super::identity::open_inside;
use super::places::Places;
use crate::clock;
use orlop_initrd::atomic_write::atomic_write;
use rustix::fs::{AtFlags, FileType, OFlags, statat, unlinkat};
use rustix::io::Errno;
use std::path::Path;

/// Where programs look for it.
pub(super) const INSIDE: &str = "/etc/localtime";
const DIR: &str = "/etc";
const FILE: &str = "localtime";
const FILE_MODE: u32 = 0o644;

/// Puts the rules of `container`'s time zone, if it has one of its own, into its bundle, and makes room for
/// them in its root, which is mounted. Idempotent.
///
/// # Errors
/// `TimeZone` where the OS image does not have it.
pub(super) fn provide(container: &DesiredContainer, places: &Places) -> Result<(), StepError> {
    let Some(zone) = &container.config.process.timezone else {
        return Ok(());
    };
    let instance = &container.instance();
    let rules = clock::rules(zone).map_err(|source| StepError::TimeZone {
        zone: zone.clone(),
        source,
    })?;
    let path = places.local_time(instance);
    atomic_write(&path, &rules, FILE_MODE).map_err(StepError::file("write", &path))?;
    remove_link(&places.rootfs(instance))
}

/// Images have a link to one of the zones there. The OCI runtime mounts where a link leads, and programs that ask
/// for that zone by its name would get this one.
fn remove_link(rootfs: &Path) -> Result<(), StepError> {
    let fail = |error: Errno| StepError::file("make room for", Path::new(INSIDE))(error.into());
    // Without that folder there is no link either.
    let Ok(dir) = open_inside(rootfs, DIR, OFlags::PATH | OFlags::DIRECTORY) else {
        return Ok(());
    };
    match statat(&dir, FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(fail(error)),
        Ok(found) if FileType::from_raw_mode(found.st_mode).is_symlink() => {
            unlinkat(&dir, FILE, AtFlags::empty()).map_err(fail)
        }
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_makes_room_and_nothing_else_goes_nor_anything_outside_of_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("real")).unwrap();
        remove_link(&root).unwrap();

        symlink("/usr/share/zoneinfo/UTC", root.join("real/localtime")).unwrap();
        symlink("../../../real", root.join("etc")).unwrap();
        remove_link(&root).unwrap();
        assert!(root.join("real/localtime").symlink_metadata().is_err());

        fs::write(root.join("real/localtime"), "rules").unwrap();
        remove_link(&root).unwrap();
        assert!(root.join("real/localtime").exists());

        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink("/nowhere", outside.join(FILE)).unwrap();
        fs::remove_file(root.join("etc")).unwrap();
        symlink(&outside, root.join("etc")).unwrap();
        remove_link(&root).unwrap();
        assert!(outside.join(FILE).symlink_metadata().is_ok());
    }
}
