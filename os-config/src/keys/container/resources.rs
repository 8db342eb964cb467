//! The keys of further limits and shares.

use super::super::forms::{CPUSET, SIZE};
use crate::spec::{Key, Kind, Presence};

pub(super) const MEMORY_HIGH: Key = Key {
    name: "memory_high",
    kind: Kind::Text(&SIZE),
    presence: Presence::Optional("no limit"),
    doc: "Above it, it is slowed down and its memory taken back. Less than `memory`.",
};

pub(super) const SWAP: Key = Key {
    name: "swap",
    kind: Kind::Text(&SIZE),
    presence: Presence::Optional("none where `memory` is set, else no limit"),
    doc: "The swap that it may use besides its memory.",
};

pub(super) const CPU_WEIGHT: Key = Key {
    name: "cpu_weight",
    kind: Kind::Integer { min: 1, max: 10000 },
    presence: Presence::Optional("100"),
    doc: "Its share of busy processors, against that of others.",
};

pub(super) const CPUSET_KEY: Key = Key {
    name: "cpuset",
    kind: Kind::Text(&CPUSET),
    presence: Presence::Optional("all"),
    doc: "The processors that it may run on.",
};

pub(super) const IO_WEIGHT: Key = Key {
    name: "io_weight",
    kind: Kind::Integer { min: 1, max: 10000 },
    presence: Presence::Optional("100"),
    doc: "Its share of a busy disk, against that of others.",
};

pub(super) const LOG_LIMIT: Key = Key {
    name: "log_limit",
    kind: Kind::Integer {
        min: 1,
        max: 1_000_000,
    },
    presence: Presence::Optional("journald's, 10000"),
    doc: "So many lines of its log are kept in 30 s; the log says how many more there were.",
};
