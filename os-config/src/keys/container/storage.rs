//! The keys of what a container has in its file system.

use super::super::forms::{BIND, DEVICE, MODE, NAME, PATH, SECRET_TARGET, SIZE, TEXT, USER};
use crate::spec::{Key, Kind, Presence, Table};

pub(super) const BINDS: Key = Key {
    name: "binds",
    kind: Kind::TextList {
        form: &BIND,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Paths of the host, `/host:/path[:ro][,PROPAGATION]`: below `/mnt`, `/media` and `/var/srv`, and, to read, below `/var/log`, `/etc/ssl`, `/usr/share` and `/run/udev`. Others need `privileged`. What is missing below `/var/srv` is made. The propagation says what becomes of mounts that are made below it later: with `rslave`, which is the default, the container sees those of the host; with `rprivate` it does not; with `rshared` the host sees those of the container as well, for which that must be `privileged` or have the capability `sys_admin`.",
};

pub(super) const TMPFS: Key = Key {
    name: "tmpfs",
    kind: Kind::TextMap {
        name: &PATH,
        value: &SIZE,
    },
    presence: Presence::Optional("none"),
    doc: "Memory file systems and their sizes.",
};

pub(super) const SHM_SIZE: Key = Key {
    name: "shm_size",
    kind: Kind::Text(&SIZE),
    presence: Presence::Default("\"64 MiB\""),
    doc: "The size of `/dev/shm`.",
};

pub(super) const FILES: Key = Key {
    name: "files",
    kind: Kind::Named {
        name: &PATH,
        table: &FILE,
        max: MAX_FILES,
    },
    presence: Presence::Optional("none"),
    doc: FILE.doc,
};

pub(super) const SECRETS: Key = Key {
    name: "secrets",
    kind: Kind::TextMap {
        name: &SECRET_TARGET,
        value: &NAME,
    },
    presence: Presence::Optional("none"),
    doc: "Environment variables and files (absolute paths) that hold a `[secret.NAME]`. A file belongs to the container's user, mode 0400.",
};

pub(super) const DEVICES: Key = Key {
    name: "devices",
    kind: Kind::TextList {
        form: &DEVICE,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Devices of the host, `/dev/host[:/dev/path][:rwm]`; to read and write (`rw`) if nothing else is said; or by the names of the Container Device Interface, `vendor.com/class=name`, with all that their vendors' specs in `/etc/cdi`, `/state/orlop/cdi` and `/run/cdi` say that they need. They must be there when the container is set up.",
};

/// The most files of a container: each is a mount.
const MAX_FILES: usize = 64;

const FILE: Table = Table {
    doc: "A file whose content is here, mounted read-only at its path.",
    keys: &[
        Key {
            name: "content",
            kind: Kind::Text(&TEXT),
            presence: Presence::Required,
            doc: "Its text.",
        },
        Key {
            name: "mode",
            kind: Kind::Text(&MODE),
            presence: Presence::Default("\"0444\""),
            doc: "Its permission bits.",
        },
        Key {
            name: "owner",
            kind: Kind::Text(&USER),
            presence: Presence::Optional("the container's user"),
            doc: "Who it belongs to, as in `user`.",
        },
    ],
    one_of: &[],
    later: &[],
};

pub(in crate::keys) const SECRET: Table = Table {
    doc: "A secret, by where it comes from. It is read when a container that uses it is set up, and \
          shown nowhere.",
    keys: &[
        Key {
            name: "from",
            kind: Kind::Word(&[
                ("credential", "the systemd credential `orlop.secret.NAME`"),
                ("file", "a file of the host"),
            ]),
            presence: Presence::Required,
            doc: "Where it comes from.",
        },
        Key {
            name: "path",
            kind: Kind::Text(&PATH),
            presence: Presence::Optional("`/state/orlop/secrets/NAME`"),
            doc: "The file; with `file` only.",
        },
    ],
    one_of: &[],
    later: &[],
};
