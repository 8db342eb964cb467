//! What happened, as it happens.

use crate::{Job, Phase, VerdictView, view::CheckView};
use serde::{Deserialize, Serialize};

/// One thing that happened on the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up from 1 since the agent started.
    pub seq: u64,
    /// Seconds since 1970-01-01 UTC.
    pub at: u64,
    /// What it was.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The node's phase changed.
    Phase {
        /// The new one.
        phase: Phase,
    },
    /// A job was made, went on or ended.
    Job {
        /// As it is now.
        job: Job,
    },
    /// A gate check changed its result.
    Check {
        /// The check and its result.
        check: CheckView,
    },
    /// A container changed its state or health.
    Container {
        /// Its name.
        name: String,
        /// State, for people and programs alike: `running healthy`.
        state: String,
    },
    /// A trial ended.
    Verdict {
        /// How.
        verdict: VerdictView,
    },
}
