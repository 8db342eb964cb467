//! Containers as callers see them.

use crate::ImageView;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerState {
    /// Its image, mounts or network are being prepared.
    Preparing,
    /// It waits for other containers (`after`).
    Waiting,
    /// Its unit starts.
    Starting,
    /// It runs.
    Running,
    /// It ended and waits to be started again.
    Restarting,
    /// It is a task and has ended well.
    Completed,
    /// It is a task that waits for its next time (`schedule`).
    Scheduled,
    /// An operator has stopped it.
    Stopped,
    /// It ended and stays so.
    Exited,
    /// It cannot be started.
    Failed,
    /// Its TOML says `enabled = false`: nothing of it is on the node but its volumes.
    Disabled,
}

impl ContainerState {
    /// The name that the wire and people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Completed => "completed",
            Self::Scheduled => "scheduled",
            Self::Stopped => "stopped",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a container's probe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// It has no probe.
    None,
    /// No result yet.
    Starting,
    /// The probe passes.
    Healthy,
    /// The probe failed `retries` times in a row.
    Unhealthy,
}

impl HealthState {
    /// The name that the wire and people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: ContainerState,
    /// How its probe stands.
    pub health: HealthState,
    /// The last probe's or start's words, `exit status 1: no route`.
    pub detail: String,
    /// Its image.
    pub image: ImageView,
    /// Its first process, on the host.
    pub pid: Option<u32>,
    /// How often systemd started it again.
    pub restarts: u32,
    /// Addresses in its networks.
    pub addresses: Vec<String>,
    /// Published ports as the TOML writes them.
    pub ports: Vec<String>,
    /// Seconds since 1970-01-01 UTC at which it started.
    pub started: Option<u64>,
    /// Its labels in the TOML.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// One log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Microseconds since 1970-01-01 UTC.
    pub at_micros: u64,
    /// The line, without its end; of one that stands for lines that are lost, words for people.
    pub text: String,
    /// So many lines of the container are lost here: they came faster than `log_limit` lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
}
