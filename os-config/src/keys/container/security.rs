//! The keys of what a container may do.

use super::super::forms::{
    CAPABILITY, HOST_RIGHT, IPC_MODE, JSON, LABEL, NETWORK_MODE, PATH, TEXT,
};
use crate::spec::{Key, Kind, Presence, Table};

pub(super) const CAPABILITIES: Key = Key {
    name: "capabilities",
    kind: Kind::Table(&CAPABILITIES_TABLE),
    presence: Presence::Optional("the ten of docs/security.md"),
    doc: CAPABILITIES_TABLE.doc,
};

pub(super) const SECCOMP: Key = Key {
    name: "seccomp",
    kind: Kind::Word(&[
        (
            "default",
            "those that could change the host or its namespaces are refused",
        ),
        ("off", "all are let through"),
    ]),
    presence: Presence::Default("\"default\""),
    doc: "Which system calls it may make.",
};

pub(super) const NO_NEW_PRIVILEGES: Key = Key {
    name: "no_new_privileges",
    kind: Kind::Bool,
    presence: Presence::Default("true"),
    doc: "Whether programs can gain no rights by set-user-id files and file capabilities.",
};

pub(super) const PRIVILEGED: Key = Key {
    name: "privileged",
    kind: Kind::Bool,
    presence: Presence::Default("false"),
    doc: "Whether it has every right that root has: all capabilities, no filter of system calls, nothing masked, any path in `binds`. The agent's audit log tells of it.",
};

pub(super) const HOST: Key = Key {
    name: "host",
    kind: Kind::TextList {
        form: &HOST_RIGHT,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Parts of the host that it is given: `network`, `pid` and `ipc` (the host's namespaces instead of its own), `journal` (to read), `dbus` (the system bus), `devices` (all of `/dev`). The agent's audit log tells of it.",
};

pub(super) const MASK: Key = Key {
    name: "mask",
    kind: Kind::TextList {
        form: &PATH,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Further files and folders that it sees empty, beside those of docs/security.md.",
};

pub(super) const UNMASK: Key = Key {
    name: "unmask",
    kind: Kind::TextList {
        form: &PATH,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Those of the masked and read-only paths of docs/security.md that it sees, and may write, as they are. The agent's audit log tells of it.",
};

pub(super) const SPEC_PATCH: Key = Key {
    name: "spec_patch",
    kind: Kind::Text(&JSON),
    presence: Presence::Optional("none"),
    doc: "A JSON merge patch (RFC 7396) of the OCI runtime spec, for what has no key. It can give any right; the agent's audit log tells of it.",
};

pub(super) const USERNS: Key = Key {
    name: "userns",
    kind: Kind::Word(&[
        (
            "auto",
            "its own, unless it asks for something that only the host's gives (docs/security.md)",
        ),
        ("own", "its own; what cannot be had in it is an error"),
        (
            "host",
            "the host's: root in the container is root on the host",
        ),
    ]),
    presence: Presence::Default("\"auto\""),
    doc: "Its user namespace. In its own, the ids 0 to 65535 of the container are ids of the host that nobody else has.",
};

pub(super) const RUNTIME: Key = Key {
    name: "runtime",
    kind: Kind::Word(&[
        ("crun", "crun"),
        ("runc", "runc; the OS image must bring it"),
    ]),
    presence: Presence::Default("\"crun\""),
    doc: "Its OCI runtime.",
};

pub(super) const NETWORK: Key = Key {
    name: "network",
    kind: Kind::Text(&NETWORK_MODE),
    presence: Presence::Optional("the networks of `networks`"),
    doc: "`none` for no network but its own loopback interface, or `container:NAME` for that container's: they reach each other on 127.0.0.1.",
};

pub(super) const IPC: Key = Key {
    name: "ipc",
    kind: Kind::Text(&IPC_MODE),
    presence: Presence::Optional("its own"),
    doc: "`container:NAME` for that container's System V IPC, POSIX message queues and `/dev/shm`; it is in that container's user namespace then. \
          What is in shared memory stays while either of them is restarted, as long as both are set up.",
};

pub(super) const LABELS: Key = Key {
    name: "labels",
    kind: Kind::TextMap {
        name: &LABEL,
        value: &TEXT,
    },
    presence: Presence::Optional("none"),
    doc: "Free labels, for people and programs that list containers.",
};

const CAPABILITIES_TABLE: Table = Table {
    doc: "Capabilities (capabilities(7)), named in lower case without `CAP_`: `net_admin`.",
    keys: &[
        Key {
            name: "drop",
            kind: Kind::TextList {
                form: &CAPABILITY,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Those that are taken away; `all` is every one.",
        },
        Key {
            name: "add",
            kind: Kind::TextList {
                form: &CAPABILITY,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Those that are given, after `drop`, also to a program that is not root's. The system \
                  calls that go with them are let through.",
        },
    ],
    one_of: &[],
    later: &[],
};
