//! Operations that take time.

use crate::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a job, counted up on this node since the agent started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// An operation that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What was asked for.
    pub operation: Operation,
    /// Who asked: `uid 0`, `certificate CN=anna`, `agent`.
    pub caller: String,
    /// How it stands.
    #[serde(flatten)]
    pub state: JobState,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Fetch, verify and record a generation.
    Stage,
    /// Switch to the staged generation.
    Apply,
    /// Stage a config and switch to it.
    ApplyConfig,
    /// Switch to an earlier generation.
    RollBack,
    /// Fetch an image, for no generation.
    PullImage,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Operation {
    /// The name that the wire and people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Apply => "apply",
            Self::ApplyConfig => "apply-config",
            Self::RollBack => "roll-back",
            Self::PullImage => "pull-image",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum JobState {
    /// At work.
    Running {
        /// How far.
        progress: Progress,
    },
    /// Ended well. A switch's job is done when the switch is under way; the verdict tells the rest.
    Done {
        /// The generation that came of it, if one did.
        generation: Option<u64>,
        /// A sentence for people.
        summary: String,
    },
    /// Ended badly; the node is as it was.
    Failed {
        /// Why.
        fault: Fault,
    },
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done: `fetching registry.example.com/os:2`.
    pub step: String,
    /// Bytes done in this step.
    pub done: u64,
    /// Bytes in all in this step, where known.
    pub total: Option<u64>,
}
