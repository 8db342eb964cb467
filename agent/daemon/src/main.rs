//! The agent: executors and front doors.

fn main() {}
