//! The agent: executors and front doors.

pub mod ops;
