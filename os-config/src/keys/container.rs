//! The keys of `[volume.NAME]` and `[container.NAME]`.

mod health;
mod io;
mod lifecycle;
mod lookup;
mod process;
mod resources;
mod security;
mod storage;

use super::forms::{IMAGE, NAME, PORT, SIZE, TEXT, VOLUME};
use super::network::ATTACHMENT;
use crate::limits::{MAX_CPUS, MAX_PIDS, MIN_CPUS};
use crate::spec::{Key, Kind, Presence, Table};
use health::HEALTH;
pub(super) use storage::SECRET;

pub(super) const VOLUME_TABLE: Table = Table {
    doc: "A named directory that outlives its containers.",
    keys: &[Key {
        name: "size",
        kind: Kind::Text(&SIZE),
        presence: Presence::Optional("no limit"),
        doc: "How much it may hold, at least 64 KiB. It may be changed at any time, without a restart; where the \
              volume holds more already, nothing can be written to it until it holds less. Needs a state \
              partition with project quotas, as `orlop-image disk` makes it. Containers with `privileged` or \
              the capability `sys_resource` are not held to it.",
    }],
    one_of: &[],
    later: &[],
};

pub(super) const CONTAINER: Table = Table {
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
            doc: "Published ports, `[address:]host:container[/tcp|udp]`; ranges of the same length, \
                  `8000-8009:80-89`, are many at once. No two containers publish the same one.",
        },
        Key {
            name: "networks",
            kind: Kind::NamesOrTables {
                name: &NAME,
                table: &ATTACHMENT,
            },
            presence: Presence::Default("[]"),
            doc: "The networks to join, each a `[net.NAME]` or `default`, as an array of names or as a table \
                  with a table for each. None at all is `default`. The first one has the default route.",
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
        process::ENV_FILES,
        process::WORKDIR,
        process::USER_KEY,
        process::GROUPS,
        process::HOSTNAME,
        process::TIMEZONE_KEY,
        process::UMASK_KEY,
        process::INIT,
        process::TTY,
        process::STDIN,
        process::STOP_SIGNAL,
        process::STOP_TIMEOUT,
        process::ULIMITS,
        process::SYSCTL_KEY,
        storage::BINDS,
        storage::TMPFS,
        storage::SHM_SIZE,
        storage::FILES,
        storage::SECRETS,
        storage::DEVICES,
        lifecycle::ENABLED,
        lifecycle::KIND,
        lifecycle::SCHEDULE_KEY,
        lifecycle::RUN,
        lifecycle::AFTER,
        lifecycle::RESTART_DELAY,
        lifecycle::RESTART_DELAY_MAX,
        lifecycle::RESTART_LIMIT,
        lifecycle::UPDATE,
        lifecycle::ESSENTIAL,
        resources::MEMORY_HIGH,
        resources::SWAP,
        resources::CPU_WEIGHT,
        resources::CPUSET_KEY,
        resources::IO_WEIGHT,
        io::IO,
        io::OOM_SCORE_ADJ,
        resources::LOG_LIMIT,
        security::CAPABILITIES,
        security::SECCOMP,
        security::NO_NEW_PRIVILEGES,
        security::PRIVILEGED,
        security::HOST,
        security::MASK,
        security::UNMASK,
        security::SPEC_PATCH,
        security::USERNS,
        security::RUNTIME,
        security::NETWORK,
        security::IPC,
        lookup::DNS,
        lookup::DNS_SEARCH,
        lookup::DNS_OPTIONS,
        lookup::HOSTS,
        lookup::PULL,
        lookup::PLATFORM_KEY,
        security::LABELS,
    ],
    one_of: &[],
    later: &[],
};
