//! The keys of the machine's own settings: `[generations]`, `[kernel]`, `[network]` and `[time]`.

use super::forms::{
    ADDRESS, INTERFACE, INTERFACE_ADDRESS, MAC, MODULE, SYSCTL, SYSCTL_VALUE, TIME_SERVER,
};
use super::{MAX_NAMED, named};
use crate::limits::{MAX_KEEP_GENERATIONS, MIN_KEEP_GENERATIONS};
use crate::spec::{Key, Kind, Presence, Table};

pub(super) const GENERATIONS: Table = Table {
    doc: "What the node remembers.",
    keys: &[Key {
        name: "keep",
        kind: Kind::Integer {
            min: MIN_KEEP_GENERATIONS,
            max: MAX_KEEP_GENERATIONS,
        },
        presence: Presence::Default("8"),
        doc: "How many generations stay on record, pinned ones not counted. The one that runs, a staged \
              one and the newest good ones to go back to always do. What only older ones need is removed \
              from the disk.",
    }],
    one_of: &[],
    later: &[],
};

pub(super) const KERNEL: Table = Table {
    doc: "The kernel's settings.",
    keys: &[
        Key {
            name: "modules",
            kind: Kind::TextList {
                form: &MODULE,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Modules to load at boot, and at once where the config changes. One that is taken out \
                  stays loaded until the machine restarts.",
        },
        Key {
            name: "sysctl",
            kind: Kind::TextMap {
                name: &SYSCTL,
                value: &SYSCTL_VALUE,
            },
            presence: Presence::Optional("the OS image's settings"),
            doc: "Settings below /proc/sys. One that is taken out gets back the value from before it was \
                  set. `kernel.panic`, `kernel.panic_on_oops` and `kernel.modules_disabled` are Orlop's own.",
        },
    ],
    one_of: &[],
    later: &["args"],
};

pub(super) const NETWORK: Table = Table {
    doc: "The machine's own network. An ethernet interface (`en*`, `eth*`) that is not named below asks \
          DHCP.",
    keys: &[
        Key {
            name: "dns",
            kind: Kind::TextList {
                form: &ADDRESS,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Name servers. They take the place of those that DHCP names.",
        },
        named("interface", &INTERFACE, &INTERFACE_TABLE, MAX_NAMED),
    ],
    one_of: &[],
    later: &[],
};

const INTERFACE_TABLE: Table = Table {
    doc: "A network interface. With neither `dhcp` nor `addresses` it has no addresses at all.",
    keys: &[
        Key {
            name: "match",
            kind: Kind::Table(&MATCH),
            presence: Presence::Optional("the interface of that name"),
            doc: "How the interface is known. With it, the name of this table is free.",
        },
        Key {
            name: "dhcp",
            kind: Kind::Bool,
            presence: Presence::Default("false"),
            doc: "Whether it asks DHCP for addresses, for IPv4 and IPv6.",
        },
        Key {
            name: "addresses",
            kind: Kind::TextList {
                form: &INTERFACE_ADDRESS,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Its own addresses.",
        },
        Key {
            name: "gateway",
            kind: Kind::Text(&ADDRESS),
            presence: Presence::Optional("none but those of DHCP and router advertisements"),
            doc: "The next hop of the default route, in a network of `addresses`.",
        },
    ],
    one_of: &[],
    later: &[],
};

const MATCH: Table = Table {
    doc: "How an interface is known.",
    keys: &[Key {
        name: "mac",
        kind: Kind::Text(&MAC),
        presence: Presence::Required,
        doc: "By its hardware address.",
    }],
    one_of: &[],
    later: &[],
};

pub(super) const TIME: Table = Table {
    doc: "The clock.",
    keys: &[Key {
        name: "servers",
        kind: Kind::TextList {
            form: &TIME_SERVER,
            min: 0,
        },
        presence: Presence::Default("[]"),
        doc: "NTP servers. With none, those of DHCP, else Debian's.",
    }],
    one_of: &[],
    later: &[],
};
