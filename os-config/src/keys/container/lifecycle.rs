//! The keys of when a container runs.

use super::super::forms::{CONDITION, DURATION, NAME, SCHEDULE};
use crate::limits::MAX_RESTARTS;
use crate::spec::{Key, Kind, Presence};

pub(super) const KIND: Key = Key {
    name: "kind",
    kind: Kind::Word(&[
        ("service", "it is to run all the time"),
        ("task", "it is to run to its end"),
    ]),
    presence: Presence::Default("\"service\""),
    doc: "What it is.",
};

pub(super) const SCHEDULE_KEY: Key = Key {
    name: "schedule",
    kind: Kind::Text(&SCHEDULE),
    presence: Presence::Optional(
        "a task runs once, when the node comes up and when the task changes",
    ),
    doc: "When a task runs: a calendar expression of systemd, such as `daily 03:00`, `mon-fri 02:30`, `*:0/15` or `*-*-01 04:00`, in the time zone of the node. A run that was missed while the node was off is made up for.",
};

pub(super) const RUN: Key = Key {
    name: "run",
    kind: Kind::Word(&[
        (
            "each-start",
            "when the node comes up and when the task changes",
        ),
        (
            "once",
            "until it has ended with status 0 for once, and never again on this node, whatever changes or is rolled back",
        ),
    ]),
    presence: Presence::Default("\"each-start\""),
    doc: "When a task without `schedule` runs. That it has run is kept by its name; `orlop container start` runs it all the same. A power cut right after its end can make it run once more.",
};

pub(super) const ENABLED: Key = Key {
    name: "enabled",
    kind: Kind::Bool,
    presence: Presence::Default("true"),
    doc: "Whether it is on the node at all. If not, its image is not fetched and it holds no ports or addresses; its volumes stay.",
};

pub(super) const AFTER: Key = Key {
    name: "after",
    kind: Kind::TextMap {
        name: &NAME,
        value: &CONDITION,
    },
    presence: Presence::Optional("it waits for nobody"),
    doc: "It is started only after these containers are `started`, `healthy`, or `completed` (a task that ended with status 0).",
};

pub(super) const RESTART_DELAY: Key = Key {
    name: "restart_delay",
    kind: Kind::Text(&DURATION),
    presence: Presence::Default("\"500ms\""),
    doc: "The wait before the first restart, from 100 ms to 1 h. It grows to `restart_delay_max` in six steps.",
};

pub(super) const RESTART_DELAY_MAX: Key = Key {
    name: "restart_delay_max",
    kind: Kind::Text(&DURATION),
    presence: Presence::Default("\"30s\""),
    doc: "The longest wait before a restart, up to 1 h.",
};

pub(super) const RESTART_LIMIT: Key = Key {
    name: "restart_limit",
    kind: Kind::Integer {
        min: 1,
        max: MAX_RESTARTS,
    },
    presence: Presence::Optional("no limit"),
    doc: "It is given up after so many restarts within an hour. Not with `schedule`.",
};

pub(super) const UPDATE: Key = Key {
    name: "update",
    kind: Kind::Word(&[
        (
            "stop-first",
            "the old instance is stopped, then the new one is started",
        ),
        (
            "start-first",
            "the new one is started beside the old one, and takes its place when it is healthy",
        ),
    ]),
    presence: Presence::Default("\"stop-first\""),
    doc: "How it is replaced when its image or its keys change. With `start-first` both instances use its volumes, and its memory limit each, for a while; and an `essential` one is a check of every gate.",
};

pub(super) const ESSENTIAL: Key = Key {
    name: "essential",
    kind: Kind::Bool,
    presence: Presence::Default("true"),
    doc: "Whether a gate without checks of its own waits for it.",
};
