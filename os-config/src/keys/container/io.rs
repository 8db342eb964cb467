//! The keys of how fast a container may read and write disks, and how soon it is killed for memory.

use super::super::forms::{DISK, RATE};
use crate::limits::{LAST_OOM_SCORE, MAX_IO_DEVICES, MAX_IO_OPS};
use crate::spec::{Key, Kind, Presence, Table};

pub(super) const OOM_SCORE_ADJ: Key = Key {
    name: "oom_score_adj",
    kind: Kind::Signed {
        min: -LAST_OOM_SCORE,
        max: LAST_OOM_SCORE,
    },
    presence: Presence::Default("0"),
    doc: "How soon it is killed when the machine is out of memory: 1000 is first, -1000 never (proc_pid_oom_score_adj(5)). Below -800, and so no later than the agent itself, with `privileged` only.",
};

pub(super) const IO: Key = Key {
    name: "io",
    kind: Kind::Named {
        name: &DISK,
        table: &IO_TABLE,
        max: MAX_IO_DEVICES,
    },
    presence: Presence::Optional("no limit"),
    doc: IO_TABLE.doc,
};

const IO_TABLE: Table = Table {
    doc: "How fast it may use a disk of the host: `io = { \"/dev/vda\" = { write = \"10 MiB/s\" } }`. The limits are those of the whole disk, also where a partition or a name below `/dev/disk` is written. The disk must be there when the container is set up.",
    keys: &[
        rate("read", "So much is read at most, at least 4 KiB/s."),
        rate("write", "So much is written at most, at least 4 KiB/s."),
        operations("read_ops", "So many reads a second at most."),
        operations("write_ops", "So many writes a second at most."),
    ],
    one_of: &[],
    later: &[],
};

const fn rate(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind: Kind::Text(&RATE),
        presence: Presence::Optional("no limit"),
        doc,
    }
}

const fn operations(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind: Kind::Integer {
            min: 1,
            max: MAX_IO_OPS,
        },
        presence: Presence::Optional("no limit"),
        doc,
    }
}
