//! Which capabilities(7) a container holds. Pure.

use oci_spec::OciSpecError;
use oci_spec::runtime::{Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};
use orlop_config::Security;
use std::collections::{BTreeSet, HashSet};

/// What a root process in a container may do: the set that container engines have in common
/// without `mknod`, `net_raw` and `audit_write`, which servers do not need, and without
/// `net_bind_service`, since in a container's network every port is free (`SYSCTLS`). Programs of
/// other users have none at all.
pub(super) const DEFAULT: [&str; 10] = [
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
];
/// All of them, each at its number (linux/capability.h).
const EVERY: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
const ALL: &str = "all";

/// The capabilities that this process may hand on: its bounding set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Possible(u64);

impl Default for Possible {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Possible {
    /// Those in the text of `/proc/self/status` (proc_pid_status(5)); all where it does not say.
    pub(super) fn of(status: &str) -> Self {
        let bits = status
            .lines()
            .find_map(|line| line.strip_prefix("CapBnd:"))
            .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        bits.map_or_else(Self::default, Self)
    }
}

/// What the container as a whole may hold, by the TOML's names. One that is privileged has all that
/// there is to be had: on a machine that is a container itself, that is less than all.
pub(super) fn bounding(security: &Security, possible: Possible) -> BTreeSet<&str> {
    if security.privileged {
        let named = EVERY.into_iter().enumerate();
        let there = named.filter(|(number, _)| possible.0 >> number & 1 == 1);
        return there.map(|(_, name)| name).collect();
    }
    let kept = DEFAULT
        .into_iter()
        .filter(|name| !security.drop.contains(ALL) && !security.drop.contains(*name));
    kept.chain(security.add.iter().map(String::as_str))
        .collect()
}

/// The sets of a program of the user `uid`. Root holds all that there is. Others hold what was added
/// by name, and hand it on to the programs that they start.
pub(super) fn capabilities(
    security: &Security,
    possible: Possible,
    uid: u32,
) -> Result<LinuxCapabilities, OciSpecError> {
    let bounding = set(bounding(security, possible).into_iter());
    let named = set(security.add.iter().map(String::as_str));
    let (held, handed_on) = if uid == 0 {
        (bounding.clone(), HashSet::new())
    } else {
        (named.clone(), named)
    };
    LinuxCapabilitiesBuilder::default()
        .bounding(bounding)
        .effective(held.clone())
        .permitted(held)
        .inheritable(handed_on.clone())
        .ambient(handed_on)
        .build()
}

/// The config knows no name that is not one.
fn set<'a>(names: impl Iterator<Item = &'a str>) -> HashSet<Capability> {
    names
        .filter_map(|name| name.to_ascii_uppercase().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(drop: &[&str], add: &[&str]) -> Security {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Security {
            drop: owned(drop),
            add: owned(add),
            ..Security::default()
        }
    }

    #[test]
    fn every_name_of_the_toml_is_one_of_the_specs() {
        assert_eq!(set(EVERY.into_iter()).len(), EVERY.len());
        assert!(DEFAULT.iter().all(|name| EVERY.contains(name)));
    }

    #[test]
    fn what_is_dropped_is_gone_and_what_is_added_comes_after() {
        let names =
            |drop: &[&str], add: &[&str]| bounding(&security(drop, add), Possible::default()).len();
        assert_eq!(names(&[], &[]), DEFAULT.len());
        assert_eq!(names(&["chown"], &[]), DEFAULT.len() - 1);
        assert_eq!(names(&["all"], &["net_raw"]), 1);
        let privileged = Security {
            privileged: true,
            ..Security::default()
        };
        let of = |possible| bounding(&privileged, possible);
        assert_eq!(of(Possible::default()).len(), EVERY.len());
        let few = Possible::of("Name:\tx\nCapBnd:\t0000000000002001\n");
        assert_eq!(of(few), BTreeSet::from(["chown", "net_raw"]));
    }

    #[test]
    fn root_holds_the_default_and_others_only_what_was_named() {
        let held = |uid, security: &Security| {
            let sets = capabilities(security, Possible::default(), uid).unwrap();
            let count = |set: &Option<HashSet<Capability>>| set.as_ref().map_or(0, HashSet::len);
            (count(sets.effective()), count(sets.ambient()))
        };
        let default = Security::default();
        assert_eq!(held(0, &default), (DEFAULT.len(), 0));
        assert_eq!(held(1000, &default), (0, 0));
        let named = security(&["all"], &["net_raw"]);
        assert_eq!(held(0, &named), (1, 0));
        assert_eq!(held(1000, &named), (1, 1));
    }
}
