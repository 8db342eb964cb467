//! How a container's program is run.

use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Who the program is and what surrounds it, beside command and environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Process {
    /// Files of the host with further environment, read when the container is set up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// Working directory; none is the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`; none is the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Further groups, by name or number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Signal that asks it to stop, `SIGINT`; none is the image's, or SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Time between that signal and SIGKILL; none is 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<Duration>,
    /// Resource limits of setrlimit(2) by name, `nofile`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Sysctls of the container's own namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    /// Host name; none is the container's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Its time zone, by its name in the IANA database; none is the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Permissions that new files do not get, `0o027`; none is 022.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Whether its first process is the node's small init. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub init: bool,
    /// Whether its program has a terminal. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub tty: bool,
    /// Whether its program's input is open. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub stdin: bool,
}

/// Serialised as it was before there was the key: containers do not change by it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A resource limit; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// What holds.
    pub soft: u64,
    /// What the program may raise it to.
    pub hard: u64,
}
