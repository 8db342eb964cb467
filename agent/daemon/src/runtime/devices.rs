//! Devices of the host that containers are given. All blocking.

use super::error::StepError;
use orlop_config::Device;
use rustix::fs::{major, minor};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where the host has its devices.
const DEV: &str = "/dev";
/// The OCI runtime makes these itself (OCI runtime specification 1.2, config-linux.md).
const EVERYBODYS: [&str; 8] = [
    "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx",
];
/// File systems of their own below `/dev`.
const MOUNTS: [&str; 4] = ["pts", "shm", "mqueue", "hugepages"];
/// The most devices that a container is given by `host = ["devices"]`; a large server has hundreds.
const MOST: usize = 4096;

/// A device as the container's own node of it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostDevice {
    /// Path in the container.
    pub(super) path: PathBuf,
    pub(super) is_block: bool,
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Of `r`, `w`, `m`.
    pub(super) access: String,
}

impl HostDevice {
    /// A node of it at `path`; none where it is no device.
    pub(super) fn of(metadata: &Metadata, path: PathBuf, access: &str) -> Option<Self> {
        let kind = metadata.file_type();
        if !kind.is_block_device() && !kind.is_char_device() {
            return None;
        }
        Some(Self {
            path,
            is_block: kind.is_block_device(),
            major: major(metadata.rdev()),
            minor: minor(metadata.rdev()),
            mode: metadata.mode() & 0o777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            access: access.to_owned(),
        })
    }
}

/// The device that `device` names.
///
/// # Errors
/// `NoDevice` where it is not there or no device.
pub(super) fn find(device: &Device) -> Result<HostDevice, StepError> {
    let missing = |source| StepError::NoDevice {
        path: PathBuf::from(&device.host),
        source,
    };
    let metadata = std::fs::metadata(&device.host).map_err(missing)?;
    HostDevice::of(&metadata, PathBuf::from(&device.path), &device.access)
        .ok_or_else(|| missing(std::io::Error::other("it is not a device")))
}

/// Makes sure that a disk is there: systemd passes over a limit of one that is not.
///
/// # Errors
/// `NoDevice` where it is not there or no block device.
pub(super) fn check_disk(path: &str) -> Result<(), StepError> {
    let missing = |source| StepError::NoDevice {
        path: PathBuf::from(path),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(missing)?;
    if metadata.file_type().is_block_device() {
        return Ok(());
    }
    Err(missing(std::io::Error::other("it is not a block device")))
}

/// Every device of the host but those that each container has anyway.
pub(super) fn all() -> Result<Vec<HostDevice>, StepError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(DEV)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(StepError::file("list", &folder))?;
        for entry in entries {
            let entry = entry.map_err(StepError::file("list", &folder))?;
            let path = entry.path();
            // Not followed: a link leads to what is found by its own name.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() && !is_one_of(&path, &MOUNTS) {
                folders.push(path);
            } else if !is_one_of(&path, &EVERYBODYS) && found.len() < MOST {
                found.extend(HostDevice::of(&metadata, path, "rwm"));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_one_of(path: &Path, names: &[&str]) -> bool {
    names.iter().any(|name| path == Path::new(DEV).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(host: &str) -> Device {
        Device {
            host: host.to_owned(),
            path: "/dev/x".to_owned(),
            access: "r".to_owned(),
        }
    }

    #[test]
    fn a_device_is_found_with_its_numbers_and_what_is_none_is_refused() {
        let null = find(&named("/dev/null")).unwrap();
        // Documentation/admin-guide/devices.txt of Linux.
        assert_eq!((null.major, null.minor, null.is_block), (1, 3, false));
        assert_eq!(
            (null.path.as_path(), &*null.access),
            (Path::new("/dev/x"), "r")
        );
        for host in ["/dev", "/dev/there-is-no-such-device"] {
            assert!(matches!(check_disk(host), Err(StepError::NoDevice { .. })));
            assert!(matches!(
                find(&named(host)),
                Err(StepError::NoDevice { .. })
            ));
        }
    }

    #[test]
    fn what_the_oci_runtime_makes_is_not_given_twice() {
        let all = all().unwrap();
        assert!(
            all.iter()
                .all(|device| device.path != Path::new("/dev/null"))
        );
        assert!(
            all.iter()
                .all(|device| !device.path.starts_with("/dev/pts"))
        );
    }
}
