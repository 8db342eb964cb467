//! Containers: observe what runs, plan, carry the plan out step by step, observe again.
//!
//! A container is a systemd unit that runs the OCI runtime on a bundle in `/run/orlop/containers`,
//! in a network namespace that netavark has connected, on a root file system from the content
//! store. There is no shim and no record of ours to fall out of step: what runs is read from
//! systemd, the mount table and the files, so that an agent that was killed goes on where it was.

mod absent;
mod attach;
mod audit;
mod bundle;
mod capabilities;
mod carry;
mod cdi;
mod change;
mod command;
mod containers;
mod copy;
mod declared;
mod descendants;
mod desired;
mod devices;
mod error;
mod exec;
mod execute;
mod far_end;
#[cfg(test)]
mod fixture;
mod given;
mod group;
mod health;
mod host_files;
mod host_path;
mod identity;
mod ids;
mod init_program;
mod inside;
mod inspect;
mod instance;
mod ipc;
mod live;
mod local_time;
mod logs;
mod member;
mod merge_patch;
mod monitor;
mod mounts;
mod net;
mod observe;
mod once;
mod orders;
mod os_files;
mod places;
mod plan;
mod probe;
mod process;
mod record;
mod remove;
mod rising;
mod root_mount;
mod run_copy;
mod seccomp;
mod secrets;
mod session;
mod spec;
mod succession;
mod survive;
mod systemd;
mod terminal;
mod timer;
mod unit;
mod usage;
mod user_ns;
mod view;
mod volume_limits;
mod volumes;
mod wait;
mod wish;

pub use change::{ContainerChange, Outcome, Outcomes};
pub use containers::{LogStream, Runtime};
pub use desired::{Desired, DesiredContainer, ImageRecord, ImageRun, SpecHash};
pub use error::{RuntimeError, Step, StepError};
pub use instance::{Instance, Slot};
pub use orders::SignalName;
pub use places::Places;
pub use plan::{Action, Found, Layer, Observed, Plan, Successor, UnitState};
pub use root_mount::RootMounter;
pub use secrets::node_secret;
pub(crate) use volume_limits::can_limit;
pub use volumes::{ArchiveFailure, Measured, VolumeError};
pub use wish::Wish;
