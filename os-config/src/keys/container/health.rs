//! The keys of a container's health probe.

use super::super::forms::{DURATION, OWN_PORT, TEXT};
use crate::spec::{Key, Kind, Presence, Table};

pub(super) const HEALTH: Table = Table {
    doc: "A health probe: exactly one of `exec`, `http` and `tcp`.",
    keys: &[
        Key {
            name: "exec",
            kind: Kind::TextList {
                form: &TEXT,
                min: 1,
            },
            presence: Presence::Optional(""),
            doc: "This command, run in the container, ends with status 0.",
        },
        Key {
            name: "http",
            kind: Kind::Text(&OWN_PORT),
            presence: Presence::Optional(""),
            doc: "A GET of this `:port/path` on the container's own address answers with a 2xx or 3xx status.",
        },
        Key {
            name: "tcp",
            kind: Kind::Integer {
                min: 1,
                max: 65_535,
            },
            presence: Presence::Optional(""),
            doc: "A connection to this port on the container's own address opens.",
        },
        Key {
            name: "every",
            kind: Kind::Text(&DURATION),
            presence: Presence::Default("\"10s\""),
            doc: "The time between two probes, from 100 ms to 1 h.",
        },
        Key {
            name: "timeout",
            kind: Kind::Text(&DURATION),
            presence: Presence::Default("\"5s\""),
            doc: "A probe that takes longer has failed. From 100 ms to 1 h.",
        },
        Key {
            name: "retries",
            kind: Kind::Integer { min: 1, max: 1_000 },
            presence: Presence::Default("3"),
            doc: "So many failures in a row make the container unhealthy.",
        },
        Key {
            name: "start",
            kind: Kind::Text(&DURATION),
            presence: Presence::Default("\"0s\""),
            doc: "Failures within this time after the start do not count. At most 1 h.",
        },
        Key {
            name: "unhealthy",
            kind: Kind::Word(&[
                ("none", "nothing but saying so"),
                ("restart", "it is stopped and started again"),
                (
                    "stop",
                    "it is stopped until an operator starts it, another generation comes or the machine starts anew",
                ),
            ]),
            presence: Presence::Default("\"none\""),
            doc: "What is done when it is unhealthy.",
        },
    ],
    one_of: &["exec", "http", "tcp"],
    later: &[],
};
