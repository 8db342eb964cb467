//! The keys of how a container finds others, and how its image is had.

use super::super::forms::{ADDRESS, ALIAS, DNS_OPTION, HOST_ADDRESS, HOST_NAME, PLATFORM};
use crate::spec::{Key, Kind, Presence};

pub(super) const DNS: Key = Key {
    name: "dns",
    kind: Kind::TextList {
        form: &ADDRESS,
        min: 0,
    },
    presence: Presence::Optional("the host's"),
    doc: "Name servers for what its networks do not know. Other containers are found by their names as ever.",
};

pub(super) const DNS_SEARCH: Key = Key {
    name: "dns_search",
    kind: Kind::TextList {
        form: &HOST_NAME,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Domains that a name without a dot is looked for in.",
};

pub(super) const DNS_OPTIONS: Key = Key {
    name: "dns_options",
    kind: Kind::TextList {
        form: &DNS_OPTION,
        min: 0,
    },
    presence: Presence::Default("[]"),
    doc: "Options of its resolver, as resolv.conf(5) has them.",
};

pub(super) const HOSTS: Key = Key {
    name: "hosts",
    kind: Kind::TextMap {
        name: &ALIAS,
        value: &HOST_ADDRESS,
    },
    presence: Presence::Optional("none"),
    doc: "Further names in its `/etc/hosts`, each with its address. `host-gateway` is the node, as the container's first network reaches it.",
};

pub(super) const PULL: Key = Key {
    name: "pull",
    kind: Kind::Word(&[
        (
            "always",
            "whenever a generation is staged that does not keep it",
        ),
        ("missing", "where the node has no image of that name"),
        (
            "never",
            "not at all: the image is on the node, or nothing is staged",
        ),
    ]),
    presence: Presence::Default("\"always\""),
    doc: "When the registry is asked what its tag stands for.",
};

pub(super) const PLATFORM_KEY: Key = Key {
    name: "platform",
    kind: Kind::Text(&PLATFORM),
    presence: Presence::Default("\"linux/amd64\""),
    doc: "What its image must be for, as `os/architecture[/variant]`; of an image for many, that one is taken. Programs of another architecture than the node's run only where its kernel can (`linux/386`), or has been told how (binfmt_misc).",
};
