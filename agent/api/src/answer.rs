//! What the HTTP API answers to a change.

use crate::{Fault, JobId};
use serde::{Deserialize, Serialize};

/// The answer to a change: status 202 with `{"job": 4}`, or 200 with `{"plan": "…"}` for a
/// rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The change is under way as this job.
    Job(JobId),
    /// What would be done, as text for people.
    Plan(String),
}

/// The last line of a stream of JSON lines that could not go on: `{"fault": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// Why.
    pub fault: Fault,
}
