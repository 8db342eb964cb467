//! The agent: executors and front doors.

pub mod booted;
pub mod chain;
pub mod clock;
pub mod config;
pub mod console;
pub mod effects;
pub mod esp;
mod faults;
pub mod front;
pub mod gate;
pub mod host;
mod http_status;
pub mod live;
pub mod logging;
pub mod next_root;
pub mod note_failure;
pub mod ops;
pub mod paths;
pub mod problems;
pub mod records;
pub mod remains;
pub mod render;
pub mod runtime;
pub mod stage;
pub mod switch;
pub mod sysctl;
pub mod systemd;
