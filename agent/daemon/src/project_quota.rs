//! The kernel's project quotas: folders that belong to a project, and how much a project may hold.
//!
//! Whatever is made in a folder with `inherit` belongs to the folder's project. Sources: `struct fsxattr` of
//! linux/fs.h, `struct if_dqblk` of linux/quota.h, quotactl(2).
//!
//! A process with CAP_SYS_RESOURCE in the machine's own user namespace is not held to a limit.

use nix::libc;
use rustix::ioctl::{Getter, Opcode, Setter, ioctl, opcode};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `FS_IOC_FSGETXATTR` and `FS_IOC_FSSETXATTR`.
const GET_ATTRIBUTES: Opcode = opcode::read::<Attributes>(b'X', 31);
const SET_ATTRIBUTES: Opcode = opcode::write::<Attributes>(b'X', 32);
/// `FS_XFLAG_PROJINHERIT`.
const INHERIT: u32 = 0x200;

/// `QCMD(Q_GETQUOTA, PRJQUOTA)` and `QCMD(Q_SETQUOTA, PRJQUOTA)`.
const GET_QUOTA: libc::c_int = (0x0080_0007 << 8) | PROJECT;
const SET_QUOTA: libc::c_int = (0x0080_0008_u32 << 8) as libc::c_int | PROJECT;
/// `PRJQUOTA`.
const PROJECT: libc::c_int = 2;
/// `QIF_BLIMITS`: that the limits of space are to be set.
const LIMITS_OF_SPACE: u32 = 1;
/// `QIF_DQBLKSIZE`: limits of space are in blocks of so many bytes.
const LIMIT_UNIT: u64 = 1024;

/// `struct fsxattr`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    unused: [u8; 8],
}

/// `struct if_dqblk`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Block {
    space_hard: u64,
    space_soft: u64,
    space_used: u64,
    inodes_hard: u64,
    inodes_soft: u64,
    inodes_used: u64,
    space_time: u64,
    inodes_time: u64,
    valid: u32,
}

/// How a project stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Bytes that it may hold; none is no limit.
    pub(crate) limit: Option<u64>,
    /// Bytes that it holds.
    pub(crate) used: u64,
}

/// The project that an open file or folder belongs to; 0 is none.
///
/// # Errors
/// Whatever the file system says; one that knows no projects has none.
pub(crate) fn project_of(file: impl AsFd) -> io::Result<u32> {
    match attributes(file) {
        Ok(attributes) => Ok(attributes.project),
        Err(rustix::io::Errno::NOTTY | rustix::io::Errno::OPNOTSUPP) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Lets an open file, or a folder and what will be made in it, belong to `project`.
///
/// # Errors
/// Whatever the file system says.
pub(crate) fn set_project(file: impl AsFd, project: u32, is_folder: bool) -> io::Result<()> {
    let before = attributes(&file)?;
    let inherit = if is_folder { INHERIT } else { 0 };
    let after = Attributes {
        project,
        flags: before.flags | inherit,
        ..before
    };
    if (after.project, after.flags) != (before.project, before.flags) {
        set_attributes(&file, after)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "rustix has no wrapper of this ioctl")]
fn attributes(file: impl AsFd) -> rustix::io::Result<Attributes> {
    // SAFETY: the opcode takes a pointer to one `struct fsxattr` and fills it, which is what Getter gives.
    unsafe { ioctl(file, Getter::<GET_ATTRIBUTES, Attributes>::new()) }
}

#[expect(unsafe_code, reason = "rustix has no wrapper of this ioctl")]
fn set_attributes(file: impl AsFd, attributes: Attributes) -> rustix::io::Result<()> {
    // SAFETY: the opcode takes a pointer to one `struct fsxattr` and only reads it, as Setter gives it.
    unsafe { ioctl(file, Setter::<SET_ATTRIBUTES, Attributes>::new(attributes)) }
}

/// How `project` stands on the file system of an open file.
///
/// # Errors
/// Whatever the kernel says, `Unsupported` where the file system has no quotas.
pub(crate) fn quota(file: impl AsFd, project: u32) -> io::Result<Quota> {
    let mut block = Block::default();
    control(file, GET_QUOTA, project, &mut block)?;
    Ok(Quota {
        limit: (block.space_hard != 0).then(|| block.space_hard.saturating_mul(LIMIT_UNIT)),
        used: block.space_used,
    })
}

/// Limits `project` to so many bytes, in whole KiB and at least one; none lifts its limit.
///
/// # Errors
/// Whatever the kernel says, `Unsupported` where the file system has no quotas.
pub(crate) fn set_limit(file: impl AsFd, project: u32, bytes: Option<u64>) -> io::Result<()> {
    let mut block = Block {
        space_hard: bytes.map_or(0, whole_units),
        valid: LIMITS_OF_SPACE,
        ..Block::default()
    };
    control(file, SET_QUOTA, project, &mut block)
}

fn whole_units(bytes: u64) -> u64 {
    (bytes / LIMIT_UNIT).max(1)
}

/// The limit that a wish for so many bytes becomes.
pub(crate) fn rounded(bytes: u64) -> u64 {
    whole_units(bytes) * LIMIT_UNIT
}

#[expect(unsafe_code, reason = "neither rustix nor nix wraps quotactl_fd(2)")]
fn control(
    file: impl AsFd,
    command: libc::c_int,
    project: u32,
    block: &mut Block,
) -> io::Result<()> {
    let fd = file.as_fd().as_raw_fd();
    let block: *mut Block = block;
    // SAFETY: both commands take a pointer to one `struct if_dqblk`, which `block` is for as long as the
    // call takes; the kernel checks everything else.
    let result = unsafe { libc::syscall(libc::SYS_quotactl_fd, fd, command, project, block) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(match error.raw_os_error() {
        // "No such process" helps nobody.
        Some(libc::ESRCH | libc::ENOSYS) => io::Error::new(
            io::ErrorKind::Unsupported,
            "its file system has no project quotas",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Their sizes are in the numbers of the calls, or the kernel would write behind them.
    #[test]
    fn structures_are_as_large_as_the_kernels() {
        assert_eq!(size_of::<Attributes>(), 28);
        assert_eq!(size_of::<Block>(), 72);
        assert_eq!(SET_QUOTA.cast_unsigned(), 0x8000_0802);
    }

    #[test]
    fn a_limit_is_whole_units_and_never_none() {
        assert_eq!(
            [1, 1023, 1024, 2047, 4096].map(rounded),
            [1024, 1024, 1024, 1024, 4096]
        );
    }

    #[test]
    fn a_file_system_without_projects_or_quotas_says_so() {
        let file = std::fs::File::open("/proc").unwrap();
        assert_eq!(project_of(&file).unwrap(), 0);
        assert!(set_project(&file, 7, true).is_err());
        assert!(quota(&file, 7).is_err());
        assert!(set_limit(&file, 7, Some(1 << 20)).is_err());
    }
}
