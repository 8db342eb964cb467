//! When a container runs.

use super::Name;
use crate::schedule::Schedule;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// When it is started, beside `restart`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lifecycle {
    /// Whether it runs on or to an end.
    #[serde(skip_serializing_if = "Kind::is_service")]
    pub kind: Kind,
    /// When a task runs; none is once, when the node comes up or the task changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Whether a task that has ended with status 0 is never run again on this node. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub once: bool,
    /// What others must have come to before it is started. No container waits for itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<Name, Condition>,
    /// The wait before the first restart; none is 500 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_delay: Option<Duration>,
    /// The longest wait before a restart; none is 30 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_delay_max: Option<Duration>,
    /// It is given up after so many restarts within an hour; none is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_limit: Option<u32>,
    /// How it is replaced by another of its name.
    #[serde(skip_serializing_if = "UpdateOrder::is_stop_first")]
    pub update: UpdateOrder,
    /// Whether a gate without checks of its own asks for it. Default true.
    #[serde(skip_serializing_if = "is_true")]
    pub essential: bool,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            kind: Kind::Service,
            schedule: None,
            once: false,
            after: BTreeMap::new(),
            restart_delay: None,
            restart_delay_max: None,
            restart_limit: None,
            update: UpdateOrder::StopFirst,
            essential: true,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Whether a container runs on or to an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is to run all the time.
    #[default]
    Service,
    /// It is to run to its end.
    Task,
}

impl Kind {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference"
    )]
    fn is_service(&self) -> bool {
        *self == Self::Service
    }
}

/// How a container is replaced when its image or its keys change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The old instance is stopped, then the new one is started.
    #[default]
    StopFirst,
    /// The new instance is started beside the old one, and takes its place when it is healthy.
    StartFirst,
}

impl UpdateOrder {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference"
    )]
    fn is_stop_first(&self) -> bool {
        *self == Self::StopFirst
    }
}

/// What another container must have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It runs, or has run to its end.
    Started,
    /// Its probe says that it is well.
    Healthy,
    /// It is a task and has ended with status 0.
    Completed,
}

/// What is done about a container whose probe says that it is not well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unhealthy {
    /// Nothing but saying so.
    #[default]
    None,
    /// It is stopped and started again.
    Restart,
    /// It is stopped, until somebody starts it.
    Stop,
}
