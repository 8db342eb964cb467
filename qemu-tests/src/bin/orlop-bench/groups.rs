//! Which part of the OS image a file belongs to.

/// What begins a path of the group.
struct Group {
    name: &'static str,
    prefixes: &'static [&'static str],
}

/// The first group with a prefix of the path is the file's.
const GROUPS: [Group; 11] = [
    Group {
        name: "kernel modules",
        prefixes: &["usr/lib/modules/"],
    },
    Group {
        name: "agent (`orlopd`)",
        prefixes: &["usr/bin/orlopd"],
    },
    Group {
        name: "operator's command (`orlop`)",
        prefixes: &["usr/bin/orlop"],
    },
    Group {
        name: "container networks (netavark, aardvark-dns)",
        prefixes: &["usr/lib/podman/"],
    },
    Group {
        name: "OCI runtime (crun, its libraries)",
        prefixes: &[
            "usr/bin/crun",
            "usr/lib/x86_64-linux-gnu/libyajl",
            "usr/lib/x86_64-linux-gnu/libseccomp",
        ],
    },
    Group {
        name: "packet filter (nft, its libraries)",
        prefixes: &[
            "usr/sbin/nft",
            "usr/lib/x86_64-linux-gnu/libnf",
            "usr/lib/x86_64-linux-gnu/libmnl",
            "usr/lib/x86_64-linux-gnu/libgmp",
            "usr/lib/x86_64-linux-gnu/libedit",
            "usr/lib/x86_64-linux-gnu/libjansson",
            "usr/lib/x86_64-linux-gnu/libxtables",
        ],
    },
    Group {
        name: "OpenSSL (for systemd)",
        prefixes: &[
            "usr/lib/x86_64-linux-gnu/libcrypto.so",
            "usr/lib/x86_64-linux-gnu/libssl.so",
        ],
    },
    Group {
        name: "systemd and udev",
        prefixes: &[
            "usr/lib/systemd/",
            "usr/lib/udev/",
            "usr/lib/x86_64-linux-gnu/systemd/",
            "usr/lib/x86_64-linux-gnu/libsystemd",
            "usr/lib/x86_64-linux-gnu/libudev",
            "usr/bin/busctl",
            "usr/bin/hostnamectl",
            "usr/bin/journalctl",
            "usr/bin/loginctl",
            "usr/bin/networkctl",
            "usr/bin/resolvectl",
            "usr/bin/systemctl",
            "usr/bin/systemd",
            "usr/bin/timedatectl",
            "usr/bin/udevadm",
        ],
    },
    Group {
        name: "C library",
        prefixes: &[
            "usr/lib64/",
            "usr/lib/x86_64-linux-gnu/ld-linux",
            "usr/lib/x86_64-linux-gnu/libc.so",
            "usr/lib/x86_64-linux-gnu/libgcc_s",
            "usr/lib/x86_64-linux-gnu/libm.so",
            "usr/lib/x86_64-linux-gnu/libnss",
            "usr/lib/x86_64-linux-gnu/libresolv",
        ],
    },
    Group {
        name: "other shared libraries",
        prefixes: &["usr/lib/x86_64-linux-gnu/"],
    },
    Group {
        name: "time zones, certificates",
        prefixes: &["usr/share/zoneinfo/", "usr/share/factory/etc/ssl/"],
    },
];

/// Where everything else is counted.
const REST: &str = "all else";

/// The group of the file at `path`, which has no slash in front.
pub(crate) fn group_of(path: &str) -> &'static str {
    GROUPS
        .iter()
        .find(|group| group.prefixes.iter().any(|prefix| path.starts_with(prefix)))
        .map_or(REST, |group| group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_the_first_group_that_knows_it() {
        assert_eq!(group_of("usr/bin/orlopd"), "agent (`orlopd`)");
        assert_eq!(group_of("usr/bin/orlop"), "operator's command (`orlop`)");
        assert_eq!(
            group_of("usr/lib/x86_64-linux-gnu/libz.so.1"),
            "other shared libraries"
        );
        assert_eq!(group_of("usr/sbin/modprobe"), REST);
    }
}
