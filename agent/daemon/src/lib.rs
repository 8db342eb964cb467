//! The agent: executors and front doors.

pub mod front;
pub mod ops;
pub mod runtime;
