//! `[net.NAME]`, how a container joins one, and `[firewall]`.

use super::forms::{ADDRESS, ADDRESS6, ALIAS, ALLOW, INTERFACE, MAC, SUBNET, SUBNET6};
use crate::limits::{MAX_MTU, MIN_MTU};
use crate::spec::{Key, Kind, Presence, Table};

pub(super) const NET: Table = Table {
    doc: "A container network. The network `default` is there without being declared, with 10.89.0.0/24; \
          declared, it has other addresses. Containers of different networks do not reach each other but \
          by published ports, and nobody outside the host reaches them otherwise.",
    keys: &[
        Key {
            name: "subnet",
            kind: Kind::Text(&SUBNET),
            presence: Presence::Required,
            doc: "Its addresses: /8 to /29 for IPv4, /64 for IPv6. No two networks overlap.",
        },
        Key {
            name: "subnet6",
            kind: Kind::Text(&SUBNET6),
            presence: Presence::Optional("no IPv6 beside IPv4"),
            doc: "IPv6 addresses beside those of an IPv4 `subnet`, a /64: each container has one of both.",
        },
        Key {
            name: "gateway",
            kind: Kind::Text(&ADDRESS),
            presence: Presence::Optional("the first address of `subnet`"),
            doc: "The bridge's own address, or, for the other drivers, that of the router.",
        },
        Key {
            name: "gateway6",
            kind: Kind::Text(&ADDRESS6),
            presence: Presence::Optional("the first address of `subnet6`"),
            doc: "The same in `subnet6`.",
        },
        Key {
            name: "driver",
            kind: Kind::Word(&[
                (
                    "bridge",
                    "a bridge of its own, and address translation to the outside",
                ),
                (
                    "macvlan",
                    "on the wire of `parent`, each container with a hardware address of its own",
                ),
                (
                    "ipvlan",
                    "on the wire of `parent`, with the hardware address of the host",
                ),
            ]),
            presence: Presence::Default("\"bridge\""),
            doc: "What it is made of.",
        },
        Key {
            name: "parent",
            kind: Kind::Text(&INTERFACE),
            presence: Presence::Optional("-"),
            doc: "The host's interface of a macvlan or ipvlan.",
        },
        Key {
            name: "internal",
            kind: Kind::Bool,
            presence: Presence::Default("false"),
            doc: "Whether its containers reach each other only: neither the outside nor published ports.",
        },
        Key {
            name: "dns",
            kind: Kind::Bool,
            presence: Presence::Optional("`true` with a bridge"),
            doc: "Whether its containers know each other by name and alias, and the rest by the host's name \
                  servers. With a bridge only: the containers of the other drivers do not reach the host.",
        },
        Key {
            name: "mtu",
            kind: Kind::Integer {
                min: MIN_MTU,
                max: MAX_MTU,
            },
            presence: Presence::Optional("that of the host's default route"),
            doc: "The largest packet, in bytes.",
        },
    ],
    one_of: &[],
    later: &[],
};

pub(super) const ATTACHMENT: Table = Table {
    doc: "How a container joins a network: `networks = { front = { aliases = [\"db\"] } }`.",
    keys: &[
        Key {
            name: "address",
            kind: Kind::Text(&ADDRESS),
            presence: Presence::Optional("one that is given once and kept"),
            doc: "Its address in the network's `subnet`.",
        },
        Key {
            name: "address6",
            kind: Kind::Text(&ADDRESS6),
            presence: Presence::Optional("one that is given once and kept"),
            doc: "Its address in the network's `subnet6`.",
        },
        Key {
            name: "mac",
            kind: Kind::Text(&MAC),
            presence: Presence::Optional("one that goes with its address"),
            doc: "Its hardware address in this network, a bridge or a macvlan. Not with `update = \"start-first\"`.",
        },
        Key {
            name: "aliases",
            kind: Kind::TextList {
                form: &ALIAS,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Further names that it has in this network. Containers may share one: the answer has all \
                  their addresses.",
        },
    ],
    one_of: &[],
    later: &[],
};

pub(super) const FIREWALL: Table = Table {
    doc: "What reaches the host itself. Published ports of containers are open by being published, and \
          are not looked at here; neither is what the host itself begins.",
    keys: &[
        Key {
            name: "inbound",
            kind: Kind::Word(&[("allow", "it is let in"), ("deny", "it is dropped")]),
            presence: Presence::Default("\"allow\""),
            doc: "What happens to what no rule of `allow` lets in.",
        },
        Key {
            name: "allow",
            kind: Kind::TextList {
                form: &ALLOW,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "What is let in: `tcp/PORT`, `udp/PORT`, `tcp/FIRST-LAST`, `icmp`, each with or without \
                  `from SUBNET`. Always let in: answers, what IPv6 and DHCP need, and containers' questions \
                  for names. With `inbound = \"deny\"` only.",
        },
    ],
    one_of: &[],
    later: &[],
};
