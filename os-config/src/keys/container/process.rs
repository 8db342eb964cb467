//! The keys of how a container's program is run.

use super::super::forms::{
    DURATION, GROUP, HOST_NAME, OWN_SYSCTL, PATH, SIGNAL, TEXT, TIMEZONE, ULIMIT, ULIMIT_NAME,
    UMASK, USER,
};
use crate::spec::{Key, Kind, Presence};

pub(super) const ENV_FILES: Key = Key {
    name: "env_files",
    kind: Kind::TextList {
        form: &PATH,
        min: 0,
    },
    presence: Presence::Optional("none"),
    doc: "Files of the host with lines `NAME=value`, where the paths of `binds` may be. Read when the container is set up; later ones win over earlier ones, and `env` over all.",
};

pub(super) const WORKDIR: Key = Key {
    name: "workdir",
    kind: Kind::Text(&PATH),
    presence: Presence::Optional("the image's"),
    doc: "The working directory.",
};

pub(super) const USER_KEY: Key = Key {
    name: "user",
    kind: Kind::Text(&USER),
    presence: Presence::Optional("the image's"),
    doc: "Who the program runs as: `user`, `uid`, `user:group` or `uid:gid`. Names are those of the image.",
};

pub(super) const GROUPS: Key = Key {
    name: "groups",
    kind: Kind::TextList {
        form: &GROUP,
        min: 0,
    },
    presence: Presence::Optional("the user's own in the image"),
    doc: "Further groups, by the image's name or by number.",
};

pub(super) const HOSTNAME: Key = Key {
    name: "hostname",
    kind: Kind::Text(&HOST_NAME),
    presence: Presence::Optional("the container's name"),
    doc: "Its host name.",
};

pub(super) const TIMEZONE_KEY: Key = Key {
    name: "timezone",
    kind: Kind::Text(&TIMEZONE),
    presence: Presence::Optional("the image's"),
    doc: "Its time zone, as `/etc/localtime`: a name in the IANA database that the OS image has, or `host` for that of `[host]`.",
};

pub(super) const UMASK_KEY: Key = Key {
    name: "umask",
    kind: Kind::Text(&UMASK),
    presence: Presence::Default("\"022\""),
    doc: "The permissions that files which it makes do not get, in octal.",
};

pub(super) const INIT: Key = Key {
    name: "init",
    kind: Kind::Bool,
    presence: Presence::Default("false"),
    doc: "Whether its first process is a small init, `/dev/init`, which passes signals on to the program and takes care of children that were left behind. For programs that were not written to be the first process.",
};

pub(super) const TTY: Key = Key {
    name: "tty",
    kind: Kind::Bool,
    presence: Presence::Default("false"),
    doc: "Whether its program has a terminal: for programs that insist on one. `orlop container attach` joins it. A task with `runtime = \"runc\"` cannot have one.",
};

pub(super) const STDIN: Key = Key {
    name: "stdin",
    kind: Kind::Bool,
    presence: Presence::Default("false"),
    doc: "Whether its program's input is open, and takes what is typed at `orlop container attach`; else the program reads an empty file. With `tty` the terminal is its input anyway.",
};

pub(super) const STOP_SIGNAL: Key = Key {
    name: "stop_signal",
    kind: Kind::Text(&SIGNAL),
    presence: Presence::Optional("the image's, or SIGTERM"),
    doc: "The signal that asks it to stop.",
};

pub(super) const STOP_TIMEOUT: Key = Key {
    name: "stop_timeout",
    kind: Kind::Text(&DURATION),
    presence: Presence::Default("\"10s\""),
    doc: "The time from that signal to SIGKILL, from 1 s to 10 min.",
};

pub(super) const ULIMITS: Key = Key {
    name: "ulimits",
    kind: Kind::TextMap {
        name: &ULIMIT_NAME,
        value: &ULIMIT,
    },
    presence: Presence::Optional("systemd's: 1024 open files, or 524288 for who asks for more"),
    doc: "Limits of setrlimit(2): `soft:hard`, or one number for both, or `unlimited`.",
};

pub(super) const SYSCTL_KEY: Key = Key {
    name: "sysctl",
    kind: Kind::TextMap {
        name: &OWN_SYSCTL,
        value: &TEXT,
    },
    presence: Presence::Optional("none"),
    doc: "Sysctls of its own namespaces: `net.*`, `fs.mqueue.*`, and `kernel.msg*`, `kernel.sem` and `kernel.shm*`.",
};
