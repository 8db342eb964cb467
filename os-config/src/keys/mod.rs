//! The keys of the node's TOML, in one table.

mod forms;

use crate::limits::{MAX_CHECKS, MAX_CONTAINERS, MAX_CPUS, MAX_PIDS, MIN_CPUS};
use crate::spec::{Form, Key, Kind, Presence, Table};
use forms::{
    DURATION, HOST_NAME, HOST_PORT, IMAGE, LABEL, LISTEN, NAME, OWN_PORT, PEM, PORT, REGISTRY,
    SIZE, SUBNET, TEXT, TIMEZONE, URL, VOLUME,
};

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
        section("api", &API),
        named("registry", &REGISTRY, &REGISTRY_TABLE, MAX_NAMED),
        named("net", &NAME, &NET, MAX_NAMED),
        named("volume", &NAME, &VOLUME_TABLE, MAX_NAMED),
        named("container", &NAME, &CONTAINER, MAX_CONTAINERS),
    ],
    one_of: &[],
    later: &[
        "key", "kernel", "network", "time", "proxy", "firewall", "log", "secret",
    ],
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
    keys: &[Key {
        name: "policy",
        kind: Kind::Word(&[
            ("auto", "fetch, and switch"),
            ("download", "fetch, and wait for the operator to switch"),
            ("manual", "do nothing without being asked"),
        ]),
        presence: Presence::Default("\"manual\""),
        doc: "What the agent does by itself about new images.",
    }],
    one_of: &[],
    later: &[
        "every",
        "window",
        "rate_limit",
        "disruption",
        "lock",
        "group",
    ],
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
    doc: "One check: exactly one of `container`, `http` and `tcp`.",
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
    ],
    one_of: &["container", "http", "tcp"],
    later: &["api"],
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
    ],
    one_of: &[],
    later: &["mirrors", "login", "verify"],
};

const NET: Table = Table {
    doc: "A container network. The network `default` is there without being declared, with 10.89.0.0/24; \
          declared, it has other addresses.",
    keys: &[Key {
        name: "subnet",
        kind: Kind::Text(&SUBNET),
        presence: Presence::Required,
        doc: "Its addresses: /8 to /29 for IPv4, /64 for IPv6. The first one is the bridge's own. No two \
              networks overlap.",
    }],
    one_of: &[],
    later: &[],
};

const VOLUME_TABLE: Table = Table {
    doc: "A named directory that outlives its containers. It has no keys yet.",
    keys: &[],
    one_of: &[],
    later: &["size"],
};

const CONTAINER: Table = Table {
    doc: "A container.",
    keys: &[
        Key {
            name: "image",
            kind: Kind::Text(&IMAGE),
            presence: Presence::Required,
            doc: "The image, written as in `os.image`.",
        },
        Key {
            name: "command",
            kind: Kind::TextList {
                form: &TEXT,
                min: 1,
            },
            presence: Presence::Optional("the image's entrypoint"),
            doc: "Replaces the image's entrypoint, and drops its command.",
        },
        Key {
            name: "args",
            kind: Kind::TextList {
                form: &TEXT,
                min: 0,
            },
            presence: Presence::Optional("the image's command"),
            doc: "Replaces the image's command: the arguments after the entrypoint.",
        },
        Key {
            name: "env",
            kind: Kind::TextMap {
                name: &TEXT,
                value: &TEXT,
            },
            presence: Presence::Optional("none"),
            doc: "Added to the image's environment, and winning over it.",
        },
        Key {
            name: "ports",
            kind: Kind::TextList {
                form: &PORT,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Published ports, `[address:]host:container[/tcp|udp]`. No two containers publish the \
                  same one.",
        },
        Key {
            name: "networks",
            kind: Kind::TextList {
                form: &NAME,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "The networks to join, each a `[net.NAME]` or `default`. None at all is `default`.",
        },
        Key {
            name: "volumes",
            kind: Kind::TextList {
                form: &VOLUME,
                min: 0,
            },
            presence: Presence::Default("[]"),
            doc: "Mounted volumes, `volume:/path[:ro]`, each declared as `[volume.NAME]`.",
        },
        Key {
            name: "health",
            kind: Kind::Table(&HEALTH),
            presence: Presence::Optional("a container that runs is taken for healthy"),
            doc: "How to tell that it is healthy.",
        },
        Key {
            name: "restart",
            kind: Kind::Word(&[
                ("always", "whenever it ends"),
                ("on-failure", "when it ends with anything but status 0"),
                ("never", "not at all"),
            ]),
            presence: Presence::Default("\"always\""),
            doc: "When to start it again.",
        },
        Key {
            name: "memory",
            kind: Kind::Text(&SIZE),
            presence: Presence::Optional("no limit"),
            doc: "The memory limit, at least 6 MiB.",
        },
        Key {
            name: "cpus",
            kind: Kind::Number {
                min: MIN_CPUS,
                max: MAX_CPUS,
            },
            presence: Presence::Optional("no limit"),
            doc: "The limit of processor time: `1.5` is one and a half processors. Rounded to thousandths.",
        },
        Key {
            name: "pids",
            kind: Kind::Integer {
                min: 1,
                max: MAX_PIDS,
            },
            presence: Presence::Optional("no limit"),
            doc: "The limit of the number of processes and threads.",
        },
        Key {
            name: "read_only",
            kind: Kind::Bool,
            presence: Presence::Default("false"),
            doc: "Whether its root is read-only. If not, what it writes there is thrown away when it is \
                  replaced.",
        },
    ],
    one_of: &[],
    later: &[
        "secrets",
        "after",
        "capabilities",
        "files",
        "kind",
        "schedule",
        "host",
    ],
};

const HEALTH: Table = Table {
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
    ],
    one_of: &["exec", "http", "tcp"],
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
