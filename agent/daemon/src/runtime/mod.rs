//! Containers: observe what runs, plan, carry the plan out step by step, observe again.
//!
//! A container is a systemd unit that runs the OCI runtime on a bundle in `/run/orlop/containers`,
//! in a network namespace that netavark has connected, on a root file system from the content
//! store. There is no shim and no record of ours to fall out of step: what runs is read from
//! systemd, the mount table and the files, so that an agent that was killed goes on where it was.

mod atomic_write;
mod change;
mod desired;
mod error;
#[cfg(test)]
mod fixture;
mod logs;
mod observe;
mod places;
mod plan;
mod root_mount;
mod runtime;
mod systemd;
mod unit;

pub use change::{ContainerChange, Outcome, Outcomes};
pub use desired::{Desired, DesiredContainer, ImageRecord, ImageRun, SpecHash};
pub use error::{RuntimeError, Step, StepError};
pub use places::Places;
pub use plan::{Action, Found, Layer, Observed, Plan, UnitState};
pub use root_mount::RootMounter;
pub use runtime::{LogStream, Runtime};
