//! What the runtime tells about containers: outcomes of a reconciliation, and changes as they come.

use super::error::RuntimeError;
use orlop_api::{ContainerState, HealthState};
use orlop_config::Name;
use std::collections::BTreeMap;

/// What a reconciliation did to one container.
#[derive(Debug)]
pub enum Outcome {
    /// It was as desired and was not touched.
    Kept,
    /// It was not there and has been started.
    Started,
    /// It is set up, and is started when what it waits for has come true.
    Waiting,
    /// It was another one under the same name and has been replaced.
    Replaced,
    /// Another one under the same name serves on until this one, which has been started beside it or waits
    /// for its start, is well.
    Succeeding,
    /// An operator wants it stopped, and it has been.
    Stopped,
    /// It was not desired any more and is gone, with everything of it but volumes.
    Removed,
    /// A step failed; the steps done so far stand, and the next reconciliation goes on.
    Failed(RuntimeError),
}

/// Outcomes by container.
pub type Outcomes = BTreeMap<Name, Outcome>;

/// A container's state or health became another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerChange {
    /// Which.
    pub name: Name,
    /// What it does now.
    pub state: ContainerState,
    /// How its probe stands now.
    pub health: HealthState,
}
