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
    /// A trial began, or its gate begins anew after a restart of the agent. A verdict ends it.
    Trial {
        /// The generation on trial.
        generation: u64,
        /// Where a failure leads back to.
        fallback: Option<u64>,
        /// How many seconds there are to confirm it, where it has to be.
        confirm_secs: Option<u64>,
    },
    /// The reader was too slow: so many events before this were not sent to it.
    Missed {
        /// How many.
        count: u64,
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
