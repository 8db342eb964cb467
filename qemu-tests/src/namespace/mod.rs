//! Machines made of namespaces: the image's own systemd on the host's kernel.
//!
//! Three processes make one boot. The *supervisor* lives as long as the machine. For each boot it
//! starts a *launcher*, which makes the pid namespace (a process can do that once in its life) and
//! starts *init*, which makes the other namespaces and mounts, and becomes systemd. Each of them
//! dies with the one before it, and everything in the machine dies with init.

mod console;
mod devices;
mod enter;
mod init;
mod launch;
mod mounts;
mod plan;

pub use console::{Console, ConsoleError};
pub use enter::{EnterError, enter};
pub use init::{InitError, become_init};
pub use launch::{BootEnd, LaunchError, LaunchEvent, launch};
pub use plan::{BootPlan, BootRoot};
