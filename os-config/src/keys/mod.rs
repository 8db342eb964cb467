//! The keys of the node's TOML, in one table.

mod container;
mod forms;
mod machine;
mod network;

use crate::limits::{MAX_CHECKS, MAX_CONTAINERS, MAX_WINDOWS};
use crate::spec::{Form, Key, Kind, Presence, Table};
use container::{CONTAINER, SECRET, VOLUME_TABLE};
use forms::{
    DAYS, DURATION, HOST_NAME, HOST_PORT, IMAGE, LABEL, LISTEN, LOGIN_NAME, MIRROR, NAME,
    NOT_PROXIED, PEM, PROXY_URL, REGISTRY, TEXT, TIME_OF_DAY, TIMEZONE, UNIT, URL,
};
use machine::{GENERATIONS, KERNEL, NETWORK, TIME};
use network::{FIREWALL, NET};

/// The most networks, volumes or registries: what the text limit allows is far more than a node needs.
const MAX_NAMED: usize = 256;

/// The whole file.
pub(crate) const ROOT: Table = Table {
    doc: "The whole node.",
    keys: &[
        Key {
            name: "schema",
            kind: Kind::Integer { min: 1, max: 1 },
            presence: Presence::Required,
            doc: "The version of the file's shape. Always `1` so far; it stands at the top of the file.",
        },
        section("host", &HOST),
        section("os", &OS),
        section("update", &UPDATE),
        section("gate", &GATE),
        section("generations", &GENERATIONS),
        section("kernel", &KERNEL),
        section("network", &NETWORK),
        section("time", &TIME),
        section("api", &API),
        section("firewall", &FIREWALL),
        named("registry", &REGISTRY, &REGISTRY_TABLE, MAX_NAMED),
        section("proxy", &PROXY),
        named("secret", &NAME, &SECRET, MAX_NAMED),
        named("net", &NAME, &NET, MAX_NAMED),
        named("volume", &NAME, &VOLUME_TABLE, MAX_NAMED),
        named("container", &NAME, &CONTAINER, MAX_CONTAINERS),
    ],
    one_of: &[],
    later: &["key", "log"],
};

const HOST: Table = Table {
    doc: "Who the node is.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Text(&HOST_NAME),
            presence: Presence::Optional("`orlop-` and the first eight digits of the machine id"),
            doc: "The host name (RFC 1123), at most 64 bytes.",
        },
        Key {
            name: "timezone",
            kind: Kind::Text(&TIMEZONE),
            presence: Presence::Default("\"UTC\""),
            doc: "The time zone, by its name in the IANA database. One that the OS image lacks is UTC.",
        },
        Key {
            name: "labels",
            kind: Kind::TextMap {
                name: &LABEL,
                value: &TEXT,
            },
            presence: Presence::Optional("none"),
            doc: "Free labels, for people and the fleet.",
        },
    ],
    one_of: &[],
    later: &[],
};

const OS: Table = Table {
    doc: "The OS that the node should run. Without this table it keeps the one that runs.",
    keys: &[Key {
        name: "image",
        kind: Kind::Text(&IMAGE),
        presence: Presence::Required,
        doc: "Where the OS image comes from: `registry/repository:tag`, `…@sha256:…`, or \
              `oci:/directory:tag` for an OCI layout. A tag is resolved to a digest when it is staged.",
    }],
    one_of: &[],
    later: &["verify"],
};

const UPDATE: Table = Table {
    doc: "How updates come.",
    keys: &[
        Key {
            name: "policy",
            kind: Kind::Word(&[
                ("auto", "fetch, and switch"),
                ("download", "fetch, and wait for the operator to switch"),
                ("manual", "do nothing without being asked"),
            ]),
            presence: Presence::Default("\"manual\""),
            doc: "What the agent does by itself about new images. One that failed is not tried again until \
                  its tag stands for another, or `orlop update release` lets it go.",
        },
        Key {
            name: "disruption",
            kind: Kind::Word(&[
                (
                    "least",
                    "swap the OS under the running containers where the kernel stays",
                ),
                ("reboot", "restart the machine for every other OS image"),
            ]),
            presence: Presence::Default("\"least\""),
            doc: "How another OS image is entered. With another kernel, initrd or kernel arguments the machine \
              is restarted in any case.",
        },
        Key {
            name: "every",
            kind: Kind::Text(&DURATION),
            presence: Presence::Default("\"6h\""),
            doc: "The time between two looks at the registries, from 1 s to 30 d. Each wait is up to a \
                  twelfth longer, so that a fleet does not come all at once; the first look comes within \
                  that twelfth.",
        },
        Key {
            name: "window",
            kind: Kind::TableList {
                table: &WINDOW,
                max: MAX_WINDOWS,
            },
            presence: Presence::Optional("at any time"),
            doc: "When the agent may switch by itself (`policy = \"auto\"`). It fetches at any time; an \
                  operator may switch at any time.",
        },
    ],
    one_of: &[],
    later: &["rate_limit", "lock", "group"],
};

const WINDOW: Table = Table {
    doc: "A maintenance window, in the node's time zone (`host.timezone`).",
    keys: &[
        Key {
            name: "days",
            kind: Kind::TextList {
                form: &DAYS,
                min: 1,
            },
            presence: Presence::Optional("every day"),
            doc: "The days on which it opens: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`, or a range of \
                  them.",
        },
        Key {
            name: "from",
            kind: Kind::Text(&TIME_OF_DAY),
            presence: Presence::Required,
            doc: "When it opens.",
        },
        Key {
            name: "to",
            kind: Kind::Text(&TIME_OF_DAY),
            presence: Presence::Required,
            doc: "When it closes; on the next day where that is earlier than `from`.",
        },
    ],
    one_of: &[],
    later: &[],
};

const GATE: Table = Table {
    doc: "What makes a new generation good. A generation that fails its gate is rolled back.",
    keys: &[
        Key {
            name: "hold",
            kind: Kind::Text(&DURATION),
            presence: Presence::Default("\"10s\""),
            doc: "All checks must pass for this long without a break. At most 24 h.",
        },
        Key {
            name: "deadline",
            kind: Kind::Text(&DURATION),
            presence: Presence::Default("\"5m\""),
            doc: "The hold must be complete this long after the switch. Longer than `hold`, at most 24 h.",
        },
        Key {
            name: "check",
            kind: Kind::TableList {
                table: &CHECK,
                max: MAX_CHECKS,
            },
            presence: Presence::Optional(
                "every container that has a probe is healthy, and every other one runs",
            ),
            doc: "The checks.",
        },
    ],
    one_of: &[],
    later: &[],
};

const CHECK: Table = Table {
    doc: "One check: exactly one of `container`, `http`, `tcp`, `exec`, `api` and `unit`. Each is asked once \
          a second; an answer may take 5 s.",
    keys: &[
        Key {
            name: "container",
            kind: Kind::Text(&NAME),
            presence: Presence::Optional(""),
            doc: "This container is healthy by its own probe, or, without a probe, runs.",
        },
        Key {
            name: "http",
            kind: Kind::Text(&URL),
            presence: Presence::Optional(""),
            doc: "A GET of this URL, made on the node, answers with `status`.",
        },
        Key {
            name: "status",
            kind: Kind::Integer { min: 100, max: 599 },
            presence: Presence::Default("200"),
            doc: "The status that counts as good; with `http` only.",
        },
        Key {
            name: "tcp",
            kind: Kind::Text(&HOST_PORT),
            presence: Presence::Optional(""),
            doc: "A TCP connection from the node to this host and port opens.",
        },
        Key {
            name: "exec",
            kind: Kind::TextList {
                form: &TEXT,
                min: 1,
            },
            presence: Presence::Optional(""),
            doc: "This command, run in the container that `in` names, ends with status 0.",
        },
        Key {
            name: "in",
            kind: Kind::Text(&NAME),
            presence: Presence::Optional(""),
            doc: "The container for `exec`; with `exec` only.",
        },
        Key {
            name: "api",
            kind: Kind::Word(&[(
                "reached",
                "a client that the API lets in has connected and asked since the switch",
            )]),
            presence: Presence::Optional(""),
            doc: "Somebody has used the HTTPS API since the switch: an operator, the fleet, or a program that \
                  watches. Needs `api.listen`.",
        },
        Key {
            name: "unit",
            kind: Kind::Text(&UNIT),
            presence: Presence::Optional(""),
            doc: "This unit of systemd is active.",
        },
    ],
    one_of: &["container", "http", "tcp", "exec", "api", "unit"],
    later: &[],
};

const API: Table = Table {
    doc: "The HTTPS API. The local socket is always there.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Text(&LISTEN),
            presence: Presence::Optional("the local socket only"),
            doc: "Where the HTTPS API listens. Needs `clients`.",
        },
        Key {
            name: "clients",
            kind: Kind::Text(&PEM),
            presence: Presence::Optional("nobody"),
            doc: "The CA whose client certificates are let in. Needs `listen`.",
        },
    ],
    one_of: &[],
    later: &[],
};

const REGISTRY_TABLE: Table = Table {
    doc: "How to talk to a registry, by its `host` or `host:port`. One that is not named here is asked \
          over TLS, without a login.",
    keys: &[
        Key {
            name: "plain_http",
            kind: Kind::Bool,
            presence: Presence::Default("false"),
            doc: "Plain HTTP instead of TLS. Loopback addresses need no leave for it.",
        },
        Key {
            name: "ca",
            kind: Kind::Text(&PEM),
            presence: Presence::Optional("the usual ones"),
            doc: "A CA to trust for this registry, besides the usual ones. Not with `plain_http`.",
        },
        Key {
            name: "mirrors",
            kind: Kind::TextList {
                form: &MIRROR,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Registries that are asked first, in this order; the next one, and at last the registry itself, where one \
                  fails or lacks the image. A path comes before the repository's name. A mirror's own `ca` and `login` are those \
                  of `[registry.\"its host\"]`. Every digest is checked all the same; which image a tag stands for is taken on the \
                  mirror's word.",
        },
        Key {
            name: "login",
            kind: Kind::Table(&LOGIN),
            presence: Presence::Optional("nobody logs in"),
            doc: LOGIN.doc,
        },
    ],
    one_of: &[],
    later: &["verify"],
};

const LOGIN: Table = Table {
    doc: "Who logs in at the registry.",
    keys: &[
        Key {
            name: "user",
            kind: Kind::Text(&LOGIN_NAME),
            presence: Presence::Required,
            doc: "The user.",
        },
        Key {
            name: "password",
            kind: Kind::Table(&PASSWORD),
            presence: Presence::Required,
            doc: PASSWORD.doc,
        },
    ],
    one_of: &[],
    later: &[],
};

const PASSWORD: Table = Table {
    doc: "Where the password, or the token that stands for one, comes from. Never in the TOML itself.",
    keys: &[Key {
        name: "secret",
        kind: Kind::Text(&NAME),
        presence: Presence::Required,
        doc: "A `[secret.NAME]`. A line's end behind it does not count. It is read at each pull.",
    }],
    one_of: &[],
    later: &[],
};

const PROXY: Table = Table {
    doc: "Proxies by which the node reaches registries. Containers get nothing of it; this machine itself is always reached \
          without.",
    keys: &[
        Key {
            name: "https",
            kind: Kind::Text(&PROXY_URL),
            presence: Presence::Optional("none"),
            doc: "For registries with TLS, which it only passes on.",
        },
        Key {
            name: "http",
            kind: Kind::Text(&PROXY_URL),
            presence: Presence::Optional("none"),
            doc: "For registries with `plain_http`.",
        },
        Key {
            name: "except",
            kind: Kind::TextList {
                form: &NOT_PROXIED,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Hosts, domains with all below them, addresses and subnets that are reached without.",
        },
    ],
    one_of: &[],
    later: &[],
};

const fn section(name: &'static str, table: &'static Table) -> Key {
    Key {
        name,
        kind: Kind::Table(table),
        presence: Presence::Optional("the defaults below"),
        doc: table.doc,
    }
}

const fn named(name: &'static str, form: &'static Form, table: &'static Table, max: usize) -> Key {
    Key {
        name,
        kind: Kind::Named {
            name: form,
            table,
            max,
        },
        presence: Presence::Optional("none"),
        doc: table.doc,
    }
}
