//! Generations, plans, the gate, the boot policy, verdicts and the state machine. Pure.
//!
//! Nothing here does I/O or reads a clock: what the node is like ([`Observed`]) and the time come
//! in as arguments, a [`Plan`] or an [`Action`] goes out. The executor in `orlopd` does the rest:
//! observe, plan, carry out one step after the other, observe again.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

pub mod boot;
mod confirmation;
mod diff;
mod gate;
mod generation;
mod machine;
pub mod paths;
mod plan;
#[cfg(test)]
mod sample;
mod state;
pub mod update;
mod verdict;
mod view;
mod why;
#[cfg(test)]
mod why_tests;

pub use confirmation::{Confirmation, Moment};
pub use diff::{DiffSide, FileDetail, diff};
pub use gate::{CheckResult, Gate, GateCheck, GateVerdict, UnknownCheck, gate_spec};
pub use generation::{
    ContainerImage, Generation, GenerationError, GenerationId, Origin, OsImage, Timestamp, Uptime,
};
pub use machine::{Action, Event, IllegalEvent, Machine, Then};
pub use plan::{
    Asker, Blocked, Ends, Esp, Goal, Means, Observed, Otherwise, Plan, Policy, Step, plan,
};
pub use state::{
    BootId, GenerationStatus, Held, MAX_HELD, NodeState, STATE_FORMAT, StateError, Trial,
    TrialKind, TrialStage,
};
pub use verdict::{CheckSeen, Trigger, VERDICT_FORMAT, VERDICT_LOG_LINES, Verdict, VerdictError};
pub use view::generation_view;
pub use why::{Present, held_views, why};
